"""One request frame in, at most one reply frame out: the hot path of a worker, and every way it can fail.

A call costs one decode, one dictionary look-up, the handler, one encode; a plain one is answered within Port.serve, and
comes here only when something in it fails. What fails is described here too, while the message still counts as being
handled: a mod's `__str__` that never returns is a hang like any other.

What a mod's handler raises never ends the worker, SystemExit and KeyboardInterrupt included, with one exception:
MemoryError means that its address space is used up, and nothing that follows could be trusted to work. It is let
through, and the loop ends the process.
"""

from collections.abc import Callable
from difflib import get_close_matches
from types import FunctionType
from typing import Any, Final, NamedTuple

import msgspec

from ..shared.filters import Given, matches
from ..shared.messages import (
    CALL_HEAD,
    DECODE_ERRORS,
    EMIT_HEAD,
    POST_HEAD,
    VALUE_TAG,
    VETO_HEAD,
    Call,
    Clock,
    Diagnostic,
    Emit,
    Emitted,
    Failed,
    Post,
    Request,
    Veto,
    Vetoed,
    pack,
)
from ..shared.payload import explain
from ..shared.states import Stage
from . import crossed, determinism
from .diagnostics import LONGEST_MESSAGE, bounded, describe, format_traceback, kind, message
from .faults import Faults
from .handlers import LONGEST_EVENT, Handlers, first_line
from .link import protocol_error
from .misfit import Misfit
from .refusal import Refusal

Answer = Callable[[bytes], bytes | None]
Asking = Call | Post | Emit | Veto
Names = Callable[[str], list[str]]


class Answering(NamedTuple):
    """How the requests to one mod are answered."""

    answer: Answer
    """Handles one frame and returns its reply, or None for a Post. Raises MemoryError alone."""
    recover: Callable[..., bytes | None]
    """Returns the reply to a Call that Port.serve took up and could not finish: (frame, handler, its exception),
    (frame, handler, exception of packing, value) or (frame, handler, None, length that is too long). Raises
    MemoryError alone."""
    first: dict[str, Callable[..., Any]]
    """The handler of each event that answers a Call."""


_open: Final = msgspec.msgpack.Decoder(tuple[int, int, str, list[msgspec.Raw]]).decode
"""A Call whose arguments are counted and not decoded."""
_DECODER: Final = msgspec.msgpack.Decoder(Request)
"""Made in the zygote: to make one takes pages that all forks can share."""
MOST_EVENTS: Final = 20
"""Events that are named to somebody who asked for another one."""


def no_names(_event: str) -> list[str]:
    """The names of parameters where nothing is declared."""
    return []


def make_answering(handlers: Handlers, faults: Faults, base: str, limit: int, names: Names = no_names) -> Answering:
    """Worker. Replies have at most `limit` bytes; `names`: of an event's parameters, as the game declares them now.

    Closures, because methods would look up six attributes a message.
    """
    decode = _DECODER.decode
    every = selector(handlers, names)
    handler_of = {event: run[0] for event, run in handlers.table.items() if event not in handlers.where}
    first = handler_of.get
    failing = _Failing(faults, base, limit, sorted(handlers.table))

    def answer(frame: bytes) -> bytes | None:
        try:
            request = decode(frame)
        except DECODE_ERRORS as error:
            return _unreadable(frame, error)
        if type(request) is Call:
            handler = first(request.event) or next(iter(every(request)), None)
            if handler is None:
                return failing.no_handler(request)
            try:
                value = handler(*request.args)
            except MemoryError:
                raise
            except BaseException as error:  # noqa: BLE001  # a mod's SystemExit must not end the worker either
                return failing.call(request, failing.blamed(handler, request, error))
            try:
                reply = pack((VALUE_TAG, request.id, value))  # a Value, without making one
            except MemoryError:
                raise
            except BaseException as error:  # noqa: BLE001  # packing reads attributes of the mod's objects: code may run
                return failing.call(request, failing.unpackable(value, handler, error))
            return reply if len(reply) <= limit else failing.call(request, failing.too_large(len(reply), handler))
        if type(request) is Emit:
            return emit(request)
        if type(request) is Veto:
            return veto(request)
        if type(request) is Clock:
            determinism.set_clock(request.at)
            return None
        for handler in every(request):
            try:
                handler(*request.args)
            except MemoryError:
                raise
            except BaseException as error:  # noqa: BLE001  # as above
                failing.post(request.event, failing.blamed(handler, request, error))
        return None

    def emit(request: Emit) -> bytes:
        values: list[Any] = []
        errors: list[tuple[str, str, str]] = []
        raised: list[Callable[..., Any]] = []
        handled = every(request)
        for handler in handled:
            try:
                values.append(handler(*request.args))
            except MemoryError:
                raise
            except BaseException as error:  # noqa: BLE001  # as above
                errors.append(failing.emit(request.event, failing.blamed(handler, request, error)))
                raised.append(handler)
        try:
            reply = pack(Emitted(request.id, values, errors))
        except MemoryError:
            raise
        except BaseException:  # noqa: BLE001  # as above
            answered = [each for each in handled if each not in raised]
            values = failing.packable(request.event, values, answered, errors)
            reply = pack(Emitted(request.id, values, errors))
        return reply if len(reply) <= limit else failing.emit_too_large(request, handled, errors, len(reply))

    def veto(request: Veto) -> bytes:
        errors: list[tuple[str, str, str]] = []
        found = handlers.table.get(request.event, ())
        wheres = handlers.where.get(request.event) or ({},) * len(found)
        given = Given(names(request.event), request.args)
        for handler, where, priority in zip(found, wheres, handlers.priorities.get(request.event, ()), strict=True):
            if where and not matches(where, given):
                continue
            try:
                handler(*request.args)
            except MemoryError:
                raise
            except Refusal as refusal:
                return failing.vetoed(request, priority, refusal, errors)
            except BaseException as error:  # noqa: BLE001  # as above
                errors.append(failing.emit(request.event, failing.blamed(handler, request, error)))
        return failing.vetoed(request, 0, None, errors)

    def recover(frame: bytes, handler: Callable[..., Any], trouble: BaseException | None, *more: Any) -> bytes | None:
        try:
            _, number, event, args = _open(frame)
        except DECODE_ERRORS as error:
            return _unreadable(frame, error)
        request = Call(number, event, args)
        if trouble is None:
            return failing.call(request, failing.too_large(more[0], handler))
        if more:
            return failing.call(request, failing.unpackable(more[0], handler, trouble))
        try:
            raise trouble  # so that its traceback begins here, as if the handler had been called from here
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001  # as above
            del trouble  # its traceback holds this frame: a cycle would keep what the handler held
            return failing.call(request, failing.blamed(handler, request, error))

    return Answering(answer, recover, handler_of)


def selector(handlers: Handlers, names: Names) -> Callable[[Asking], tuple[Callable[..., Any], ...]]:
    """Which handlers of an event run, by what they filter on."""
    table, filtered = handlers.table, handlers.where

    def chosen(request: Asking) -> tuple[Callable[..., Any], ...]:
        found = table.get(request.event, ())
        if request.event not in filtered:
            return found
        given = Given(names(request.event), request.args)
        wanted = zip(found, filtered[request.event], strict=True)
        return tuple(handler for handler, where in wanted if not where or matches(where, given))

    return chosen


class _Failing:
    """The cold path: what is said to the game and to the supervisor when a handler fails."""

    def __init__(self, faults: Faults, base: str, limit: int, events: list[str]) -> None:
        self._faults = faults
        self._base = base
        self._limit = limit
        self._events = events
        # A reply is at most half a ring: with a small one its texts shrink.
        self._message = min(LONGEST_MESSAGE, limit // 8)
        self._traceback = min(16 * 1024, limit // 2)

    def no_handler(self, request: Call) -> bytes:
        """The game's mistake, so nothing is said to the supervisor."""
        near = get_close_matches(request.event[:LONGEST_EVENT], self._events, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(self._events[:MOST_EVENTS]) or "none"
        more = f" and {len(self._events) - MOST_EVENTS} more" if len(self._events) > MOST_EVENTS else ""
        text = f"there is no handler of {request.event!r}{hint} (handled: {known}{more})"
        return pack(Failed(request.id, "NoHandler", bounded(text, self._message), ""))

    def call(self, request: Call, error: BaseException) -> bytes:
        return pack(Failed(request.id, *self.emit(request.event, error)))

    def vetoed(
        self, request: Veto, priority: int, refusal: Refusal | None, errors: list[tuple[str, str, str]]
    ) -> bytes:
        reason = bounded(message(refusal), self._message) if refusal is not None else ""
        reply = pack(Vetoed(request.id, refusal is not None, priority, reason, errors))
        return (
            reply if len(reply) <= self._limit else pack(Vetoed(request.id, refusal is not None, priority, reason, []))
        )

    def emit(self, event: str, error: BaseException) -> tuple[str, str, str]:
        """Note a failure and return it as the game sees it: kind, message, traceback."""
        self.post(event, error)
        return self._texts(error)

    def post(self, event: str, error: BaseException) -> None:
        self._faults.note(event, lambda: self._describe(error))

    def blamed(self, handler: Callable[..., Any], request: Asking, error: BaseException) -> BaseException:
        """The error itself; one that Python raised because the arguments do not fit, with the handler's place."""
        step = error.__traceback__ if type(error) is TypeError else None
        if step is None or step.tb_next is not None or not isinstance(handler, FunctionType):
            return error
        sent = len(request.args)
        return _at(handler, f"{message(error)}; the game sends {sent} argument{'' if sent == 1 else 's'}", "TypeError")

    def unpackable(self, value: object, handler: Callable[..., Any], cause: BaseException) -> Misfit:
        """The failure of a handler whose return value cannot travel; it names the part at fault."""
        try:
            why = explain(value, "the return value")
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001  # the search reads attributes of the mod's objects too
            why = f"the return value cannot be read: {message(error)}"
        return _at(handler, why or f"the return value cannot travel: {message(cause)}", "PayloadError")

    def too_large(self, size: int, handler: Callable[..., Any]) -> Misfit:
        text = f"the answer is {size} bytes long, and a message may be {self._limit}, half the ring"
        text += f" {crossed.cite('ring_bytes')}"
        return _at(handler, text, "MessageTooLarge")

    def packable(
        self,
        event: str,
        values: list[Any],
        handlers: list[Callable[..., Any]],
        errors: list[tuple[str, str, str]],
    ) -> list[Any]:
        """Those values of an emit that can travel, packed already; the others, told by handler, become `errors`."""
        kept = []
        for value, handler in zip(values, handlers, strict=False):
            try:
                kept.append(msgspec.Raw(pack(value)))
            except MemoryError:
                raise
            except BaseException as error:  # noqa: BLE001  # as in answer()
                errors.append(self.emit(event, self.unpackable(value, handler, error)))
        return kept

    def emit_too_large(
        self, request: Emit, handled: tuple[Callable[..., Any], ...], errors: list[tuple[str, str, str]], size: int
    ) -> bytes:
        """Without the values, and without the tracebacks if it must be."""
        error = self.too_large(size, handled[0])
        self.post(request.event, error)
        said = (kind(error), message(error), "")
        reply = pack(Emitted(request.id, [], [*errors, said]))
        return reply if len(reply) <= self._limit else pack(Emitted(request.id, [], [said]))

    def _texts(self, error: BaseException) -> tuple[str, str, str]:
        return (
            bounded(kind(error), self._message),
            bounded(message(error), self._message),
            format_traceback(error, self._base, self._traceback),
        )

    def _describe(self, error: BaseException) -> Diagnostic:
        return describe(Stage.RUN, error, self._base)


def _at(handler: Callable[..., Any], text: str, kind: str) -> Misfit:
    code = getattr(handler, "__code__", None)
    return Misfit(text, kind=kind, path=code.co_filename if code else "", line=first_line(code) if code else 0)


def _unreadable(frame: bytes, error: Exception) -> bytes | None:
    """A request whose arguments do not decode here although the game could encode them: nested to the last level, say.

    Its first bytes still say who waits for the answer. If even they cannot be read the ring is broken, and so are we.
    """
    said = ("PayloadError", bounded(f"the arguments do not arrive: {error}", LONGEST_MESSAGE), "")
    head = bytes(frame[:2])
    number = _number(frame[2:11])
    if head == CALL_HEAD and number is not None:
        return pack(Failed(number, *said))
    if head == EMIT_HEAD and number is not None:
        return pack(Emitted(number, [], [said]))
    if head == VETO_HEAD and number is not None:
        return pack(Vetoed(number, False, 0, "", [said]))
    if head != POST_HEAD:
        protocol_error(f"the game sent {len(frame)} bytes that are no request: {error}")
    return None


def _number(data: bytes) -> int | None:
    """The msgpack unsigned integer that `data` begins with; None when it is none."""
    first = data[0] if data else 0xFF
    if first < 0x80:
        return first
    width = 1 << (first - 0xCC) if 0xCC <= first <= 0xCF else 0
    return int.from_bytes(data[1 : 1 + width], "big") if width and len(data) > width else None

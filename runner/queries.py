"""What mods ask in the middle of a handler, answered in the middle of the game's own wait for them. Game's thread.

::

    game: emit ──▶ mod: handler, game.tile(3, 4) ──▶ game: tile(3, 4), within emit ──▶ handler goes on ──▶ report

The rules, for functions that are called in the middle of something:

- A query function may call other mods (`call`, `call_outcome`) and post to any. It may not call a mod that waits for an
  answer itself: that mod would never answer. Nor may it emit, take intents, or close: the frame around it is not over.
- Such calls end with the wait that they are made in, whatever their own timeout.
- Queries that come while such a call waits are answered too, MOST_NESTED deep.
- What a query function raises is the game's own fault: it is logged, and the mod is told the kind alone. QueryError is
  the way to say no: its message goes to the mod.
"""

import logging
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..shared import payload
from ..shared._ring import LETTER, RING, weigh
from ..shared.errors import QueryError, UsageError
from ..shared.messages import ANSWERED, DECODE_ERRORS, Query, pack
from .api import Api, Entry
from .rate import TokenBucket
from .replies import MOST_NS, UNWEIGHED
from .text import escape, said

if TYPE_CHECKING:
    from .game import Mods
    from .mod import Mod

MOST_NESTED: Final = 4
"""Queries within calls within queries. Deeper: more of the game's stack is in the hands of mods."""
LONGEST_ANSWER: Final = RING - LETTER
LOGGED: Final = 5.0
"""Failures of query functions that are logged a second for each mod, with a burst of as many, and the same of intents:
a mod chooses the values that a function fails on."""

_decode: Final = msgspec.msgpack.Decoder(Query).decode
_decode_list: Final = msgspec.msgpack.Decoder(list[Any]).decode
log = logging.getLogger("fumehood.game")


class Answerer:
    """Answers the queries of one mod. Held by its port, so it holds neither the mod nor the port."""

    def __init__(self, api: Api, mods: "Mods", mod: "Mod") -> None:
        self._api = api
        self._name = mod.name
        self._mods = weakref.ref(mods)
        self._logged = TokenBucket(LOGGED, LOGGED)
        self._tuples = {name: _decoders(entry) for name, entry in api.queries.items()}

    def __call__(self, raw: bytes, deadline: int) -> bytes:
        """The packed answer to one packed, hostile query. `deadline`: when the wait around it ends, monotonic ns.

        Raises nothing but what is no Exception: Ctrl-C in a query function.
        """
        try:
            return self._answer(raw, deadline)
        except QueryError as error:
            return _failed("QueryError", said(error))
        except Refused as error:
            return _failed(error.kind, str(error))
        except Exception as error:  # noqa: BLE001  # nothing of an answer may end the game's frame
            self._log("a query of %s could not be answered", self._name, exc_info=error)
        return _failed("QueryError", "the game could not answer")

    def _answer(self, raw: bytes, deadline: int) -> bytes:
        mods = self._mods()
        if mods is None:
            raise QueryError("the game is closing")
        if len(raw) > UNWEIGHED and not 0 <= weigh(raw) <= MOST_NS:
            raise Refused("PayloadError", "the query holds too much to be read")
        try:
            query = _decode(raw)
        except DECODE_ERRORS as error:
            raise Refused("PayloadError", f"it cannot be read: {escape(str(error), 200)}") from None
        entry = self._api.queries.get(query.name)
        if entry is None:
            # What it may have meant, its own `game` has said; whoever comes this far may ask for names without end.
            raise Refused("NotDeclared", f"{self._api.name} has no query {query.name[:100]!r}")
        mod = mods._begin_answer(self._name, deadline)
        try:
            value = self._call(entry, query, mod)
        finally:
            mods._asking.pop()
        try:
            answer = pack((ANSWERED, value))
        except payload.UNPACKABLE as error:
            why = payload.explain(value, f"the answer of {entry.name}()") or str(error)
            self._log("%s, asked by %s", why, self._name)
            raise QueryError("the game's answer cannot travel") from None
        if len(answer) > LONGEST_ANSWER:
            text = f"the answer takes {len(answer)} bytes, and {LONGEST_ANSWER} fit"
            self._log("%s(), asked by %s: %s", entry.name, self._name, text)
            raise QueryError(text)
        return answer

    def _call(self, entry: Entry, query: Query, mod: "Mod") -> Any:
        args: Any = ()
        fields: dict[str, Any] | None = None
        first = memoryview(query.args)[0]
        decode = self._tuples[entry.name].get(first & 0x0F) if first & 0xF0 == 0x90 else None  # a short array
        if decode is not None and not query.named:
            try:
                args = decode(query.args)
            except DECODE_ERRORS:
                fields = self._bound(entry, query)
        else:
            fields = self._bound(entry, query)
        asker = (mod,) if entry.wants_mod else ()
        try:
            return entry.function(*asker, *args) if fields is None else entry.run(*asker, fields=fields)
        except QueryError:
            raise
        except Exception as error:  # noqa: BLE001  # the game's own fault does not end its frame
            self._log("the game's %s() failed for a query of %s", entry.name, self._name, exc_info=error)
            raise QueryError(f"the game's {entry.name}() failed: {type(error).__name__}") from None

    @staticmethod
    def _bound(entry: Entry, query: Query) -> dict[str, Any]:
        """The slow way: arguments by name, defaults, and the words for what is wrong with them."""
        try:
            args = _decode_list(query.args)
        except DECODE_ERRORS as error:
            raise Refused("PayloadError", f"its arguments cannot be read: {escape(str(error), 200)}") from None
        fields, why = entry.bound(args, query.named)
        if why:
            raise Refused("PayloadError", f"game.{escape(why)}")
        return fields

    def _log(self, text: str, *args: Any, exc_info: BaseException | None = None) -> None:
        if self._logged.take(time.monotonic()):
            log.error(text, *args, exc_info=exc_info)


class Refused(Exception):
    """Raised within this module for what a mod is to blame for; `kind`: what its own error is called."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _decoders(entry: Entry) -> dict[int, Any]:
    """Of arguments by position, by how many there are: types are checked while they are decoded."""
    return {count: msgspec.msgpack.Decoder(kind).decode for count, kind in entry.tuples.items() if count < 16}


def _failed(kind: str, message: str) -> bytes:
    return pack((1, kind, message[:1000].encode(errors="backslashreplace").decode()))


def nested_only(what: str) -> UsageError:
    """The error for what may not be done while a query is answered."""
    return UsageError(f"mods.{what} cannot be used within a query: a mod waits for the answer. Do it after the frame")

"""A live worker at its ring: requests in, replies and intents out, commands and held-back reports in between."""

import os
from collections.abc import Callable
from threading import get_ident
from typing import Any, Final

import msgspec

from ..shared._ring import (
    COMMAND,
    DEAD,
    ENDED,
    INHERITED_DONE,
    INHERITED_START,
    LETTER,
    RING,
    TIMEOUT,
    Port,
    Segment,
)
from ..shared.errors import (
    MessageTooLarge,
    NotDeclared,
    PayloadError,
    QueryError,
    QueryTimeout,
    QueueFull,
    WrongThread,
)
from ..shared.exits import Exit
from ..shared.messages import ANSWERED, CALL_HEAD, VALUE_HEAD, Intent, pack
from ..shared.payload import UNPACKABLE, explain
from ..shared.segment import CLOCK_WORD
from . import crossed
from .answers import Answering
from .faults import PERIOD, Faults
from .link import Link
from .logs import LineSender
from .windows import Windows

REST_NS: Final = 60_000_000_000
"""Longest sleep at the ring before a look at the socket. The kernel ends a worker whose supervisor died; this is for
the case that it does not. Shorter costs an idle worker wake-ups, longer lets an orphan live longer."""
LONGEST_QUERY: Final = RING - LETTER
_ERRORS: Final[dict[str, type[Exception]]] = {"NotDeclared": NotDeclared, "PayloadError": PayloadError}
_decode_arguments: Final = msgspec.msgpack.Decoder(list[Any]).decode
SOON_NS: Final = int(PERIOD * 1e9)
"""Sleep while reports are pending that the rate or a full socket held back."""


class Serving:
    """One worker's end of its channel. One thread only."""

    answering: Answering
    """Set once the mod is bound."""

    def __init__(
        self,
        up: Segment,
        down: Segment,
        link: Link,
        faults: Faults,
        lines: LineSender,
        windows: Windows,
        query_ns: int = 10**9,
    ) -> None:
        """`query_ns`: how long `ask` waits. Raises ValueError, CorruptRing: the segments are no channel."""
        self._query_ns = query_ns
        self.port = Port(up, down)
        self._up = up
        self._link = link
        self._faults = faults
        self._lines = lines
        self._windows = windows
        self._thread = get_ident()
        self.stopped = False
        """It was told to stop: what is left unread is its successor's."""
        self._push_intent: Callable[[bytes], bool] = self.port.stage

    def serve(self, obey: Callable[[], None]) -> None:
        """Handle what the game sends, until it ends the ring. `obey` does what commands say, between two messages.

        A reply is pushed after its message is done: a worker that waits for the game to read is idle, not hung.
        """
        serve, (answer, recover, first) = self.port.serve, self.answering
        pending, kept, lost, held = self._faults.pending, self._link.kept, self._lines.lost, self._windows.held
        plain = CALL_HEAD, VALUE_HEAD, first, _decode_arguments, pack, pending, kept, lost, held
        reply: bytes | None = None
        while True:
            if held:
                self._windows.settle()
            if pending or kept or lost:
                self._tend()
                frame = serve(reply, self._rest_ns(), plain)
            else:
                frame = serve(reply, REST_NS, plain)
            if type(frame) is bytes:
                reply = answer(frame)
                continue
            if isinstance(frame, tuple):
                if frame[0] is not None:
                    reply = recover(*frame)
                    frame = None  # it holds what the handler held
                    continue
                reply = frame[1]
                frame = None
            if frame is None and reply is not None:
                self._push_when_room(reply, obey)
            reply = None
            if frame == TIMEOUT and (pending or kept or lost or held):
                continue
            if frame in (COMMAND, TIMEOUT):
                self.port.seen()
                self._tend()
                obey()
            elif frame == ENDED:
                return
            elif frame == DEAD:
                os._exit(Exit.WORKER_PEER_LOST)
            if self.stopped:
                return

    def handle_waiting(self, obey: Callable[[], None]) -> None:
        """Handle the one message that waited for the swap, if one did.

        Before Live is said: to say it wakes the supervisor on this very CPU, where it would run for 0.3 ms before the
        call is answered. And let go of the CPU: the caller, too, may have been woken on it.
        """
        if self.port.seen():
            obey()
        if self.stopped:
            return
        frame = self.port.take()
        if frame is not None:
            reply = self.answering.answer(frame)
            self.port.finish()
            if reply is not None:
                self._push_when_room(reply, obey)
                os.sched_yield()

    def stop(self) -> None:
        """Let `serve`, or `inherit`, return between two messages although there are more."""
        self.stopped = True

    def inherit(self, frames: list[bytes], obey: Callable[[], None]) -> None:
        """Handle what a predecessor was sent and never began, before the ring; count it in `up` as it is done."""
        for count, frame in enumerate(frames, 1):
            if self.port.seen():
                obey()
            if self.stopped:
                return
            self._up.store64(INHERITED_START, count)
            reply = self.answering.answer(frame)
            self._up.store64(INHERITED_DONE, count)
            if reply is not None:
                self._push_when_room(reply, obey)

    def forget_inheritance(self) -> None:
        """A standby's words still count the inheritance of its first life."""
        self._up.store64(INHERITED_DONE, 0)
        self._up.store64(INHERITED_START, 0)

    def note_clock(self, now: int) -> None:
        """What clocks show, ns: should this worker die, its successor gets what it left unread as of then."""
        self._up.store64(CLOCK_WORD, now)

    def speak(self, name: str, fields: dict[str, Any]) -> None:
        """`game.NAME(…)` in a live mod: an intent, behind the replies before it. Raises as `api.Game` says."""
        if get_ident() != self._thread:
            raise WrongThread(f"game.{name}() works in the mod's main thread only")
        try:
            data = pack(Intent(name, fields))
        except UNPACKABLE as error:
            why = explain(name, "the intent's name") or explain(fields, f"game.{name}") or str(error)
            raise PayloadError(why) from None
        if len(data) > self.port.limit:
            text = f"game.{name}(): {len(data)} bytes, and a message may be {self.port.limit}, half the ring"
            raise MessageTooLarge(f"{text} {crossed.cite('ring_bytes')}")
        if not self._push_intent(data):
            text = f"game.{name}(): the game has not read what was said before, and there is no room left"
            raise QueueFull(f"{text} {crossed.cite('ring_bytes')}")

    def ask(self, name: str, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """`game.NAME(…)` in a live mod, of a query: the game's answer. Raises as `api.Game` says."""
        if get_ident() != self._thread:
            raise WrongThread(f"game.{name}() works in the mod's main thread only")
        try:
            data = pack((name, values, named) if named else (name, values))
        except UNPACKABLE as error:
            why = explain(list(values), f"game.{name}: args") or explain(named, f"game.{name}") or str(error)
            raise PayloadError(why) from None
        if len(data) > LONGEST_QUERY:
            raise MessageTooLarge(f"game.{name}(): {len(data)} bytes, and a query may be {LONGEST_QUERY}")
        answer = self.port.ask(data, self._query_ns)
        if answer is None:
            raise QueryTimeout(
                f"game.{name}(): no answer within {self._query_ns / 1e9:g} s: the game did not wait for this mod, "
                f"or this handler asked more than it answers {crossed.cite('query_timeout', 'queries_per_request')}"
            )
        kind, *said = _decode_arguments(answer)
        if kind == ANSWERED:
            return said[0]
        raise _ERRORS.get(said[0], QueryError)(said[1])

    def hold_intents(self) -> None:
        """Keep intents back from now on: the game sees none of them before `release_intents`."""
        self._push_intent = self.port.stage

    def release_intents(self) -> None:
        """Let the game see what was held back, and from now on each at once."""
        self.port.publish()
        self._push_intent = self.port.push

    def _push_when_room(self, reply: bytes, obey: Callable[[], None]) -> None:
        """While the game does not read: sleep until it does, obeying what comes meanwhile."""
        while not self.port.push(reply):
            word = self.port.wait_room(len(reply), self._rest_ns())
            if word == DEAD:
                os._exit(Exit.WORKER_PEER_LOST)
            if word == TIMEOUT:
                self._tend()
            if self.port.seen() or word == TIMEOUT:
                obey()

    def _tend(self) -> None:
        """Send what was held back."""
        self._link.flush()
        self._faults.flush()
        self._lines.flush()

    def _rest_ns(self) -> int:
        return SOON_NS if self._faults.pending or self._link.kept or self._lines.lost else REST_NS

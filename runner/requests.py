"""What becomes of one request, over swaps and deaths: the decisions, apart from the waiting. Runs in the game.

`Request.steps` is a generator. It looks, decides, and where there is nothing to decide it yields what is to be waited
for; `wait` sleeps on a futex for that, `aio_rounds` in an event loop. Both end by `deadline`, and send the news back::

    yields ON_PORT          wait for the mod's worker; send what Port.wait or Port.rest returned
    yields a generation     wait until the switchboard is of another; send anything
    returns                 the answer: a Value, Failed, Emitted or Vetoed
    raises                  ModTimeout, ModCrashed, ModUnavailable, QueueFull, MessageTooLarge

Where a request stands when its worker dies decides how it ends: see mod.py.
"""

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from ..shared._ring import DEAD, MESSAGE, CorruptRing, Port
from ..shared.errors import ModCrashed, ModFailure, ModTimeout, ModUnavailable, ProtocolError, QueueFull
from .inbox import LAST_BYTES, LAST_NS, LOOK_NS, WAIT_NS
from .switchboard import GENERATION, epoch_of

if TYPE_CHECKING:
    from .mod import Mod

UNSENT: Final = -1
INHERITED: Final = -2
"""Where a request stands that is in no ring: not yet, or no longer, since a successor was given it."""
ON_PORT: Final = -1
"""Less than any generation."""


class Request:
    """One request to one mod. Its number stands in the mod's `Inbox.wanted` as long as somebody waits for it."""

    __slots__ = ("data", "deadline", "event", "mod", "number", "port", "position", "timeout")

    def __init__(
        self,
        mod: "Mod",
        number: int,
        data: bytes,
        event: str,
        deadline: int,
        timeout: float,
        position: int = UNSENT,
        port: Port | None = None,
    ) -> None:
        """`deadline`: ns of the monotonic clock; `timeout`: seconds, for what is said of it. `position`, `port`: where
        it was pushed, if it was."""
        self.mod = mod
        self.number = number
        self.data = data
        self.event = event
        self.deadline = deadline
        self.timeout = timeout
        self.position = position
        self.port = port

    def steps(self) -> Generator[int, Any, Any]:
        """See above."""
        mod, mods, wanted = self.mod, self.mod._mods, self.mod._inbox.wanted
        while True:
            if (answer := wanted[self.number]) is not None:
                return answer
            left = self.deadline - time.monotonic_ns()
            port = mod._port
            try:
                if self.position >= 0 and port is not self.port:
                    yield from self._left_behind(left)
                    continue
                if port is None:
                    if mods._generation_moved(mod._at_word, mod._word):
                        mod._look()
                    elif left <= 0 or epoch_of(mod._word) == 0 or not mod._restarting():
                        raise ModUnavailable(self._says(mod._why_down()), mod=mod.name, event=self.event)
                    else:
                        yield from self._for_change()
                    continue
                if self.position == INHERITED:
                    yield from self._await_heir(left)
                    continue
                if self.position == UNSENT:
                    self._send(port)
                reason = yield ON_PORT
                if reason == MESSAGE and left > 0:
                    mod._hear(WAIT_NS)
                elif reason == MESSAGE:
                    mod._hear(LAST_NS, LAST_BYTES)
                    if wanted[self.number] is None:
                        raise self._too_late()
                elif reason == DEAD:
                    yield from self._survive(port, left)
                elif left <= 0:
                    raise self._too_late()
            except (CorruptRing, ProtocolError) as error:
                raise mod._lied(error, self.event) from None

    def _send(self, port: Port) -> None:
        position = port.head
        if len(self.data) > port.limit:
            raise self.mod._too_large(self.event, self.data)
        if not port.push(self.data):
            raise QueueFull(self._says("its queue is full"), mod=self.mod.name, event=self.event)
        self.position, self.port = position, port

    def _for_change(self) -> Generator[int, Any, None]:
        """Until the switchboard changes, unless this mod's word already has."""
        mod, mods = self.mod, self.mod._mods
        generation = mods._board_load32(GENERATION)
        if mods._unsettled:
            mods._hear_unsettled()  # whoever is to come may wait for the slot of one that has gone
        if not mods._generation_moved(mod._at_word, mod._word):
            yield generation

    def _survive(self, port: Port, left: int) -> Generator[int, Any, None]:
        """The worker died. Where the request stands then is known once there is a successor, or time is up."""
        mod, mods = self.mod, self.mod._mods
        if mod._hear(LOOK_NS if left > 0 else LAST_NS) <= 0 and left > 0:
            return  # it left more than can be read in one go
        if mod._inbox.wanted[self.number] is not None:
            return
        if self.position < port.peer_started:
            mod._look()
            raise self._crashed()
        if not mods._generation_moved(mod._at_word, mod._word):
            if left <= 0:
                text = self._says("no answer in time: it is being restarted")
                raise ModTimeout(text, mod=mod.name, event=self.event, handing_over=True)
            yield from self._for_change()
            return
        mod._look()
        self.position = INHERITED

    def _await_heir(self, left: int) -> Generator[int, Any, None]:
        """It was passed on. A successor answers it before it is live; else it was in hand at another death."""
        mod, mods = self.mod, self.mod._mods
        generation = mods._board_load32(GENERATION)
        live = mod._is_live()
        heard_out = mod._hear(WAIT_NS if left > 0 else LAST_NS) > 0
        if mod._inbox.wanted[self.number] is not None:
            return
        if left <= 0:
            raise self._too_late()
        if live and heard_out:
            raise self._crashed()
        if mods._generation_moved(mod._at_word, mod._word):
            mod._look()
        elif heard_out:
            yield generation

    def _left_behind(self, left: int) -> Generator[int, Any, None]:
        """The game went on to another worker while this was with the one before, which answers what it was sent, or
        leaves it to its successor. Only where many requests of a mod are outstanding: who waits for one stays."""
        mod, mods = self.mod, self.mod._mods
        slot = next((slot for slot, port in mod._leaving.items() if port is self.port), None)
        if slot is None or self.port is None:  # read to its end, or given up
            self.position = INHERITED
            return
        generation = mods._board_load32(GENERATION)
        died = mod._has_died(slot)
        over = died or (mod._port is not None and mod._is_live())  # before the last look, not after
        heard_out = mod._hear(WAIT_NS if left > 0 else LAST_NS) > 0
        if mod._inbox.wanted[self.number] is not None:
            return
        if left <= 0:
            raise self._too_late()
        if slot not in mod._leaving:  # it lied
            return
        if over and heard_out:
            if died and self.position < self.port.peer_started:
                raise self._crashed()
            self.position = INHERITED
        elif heard_out:
            yield generation

    def _too_late(self) -> ModFailure:
        """A worker that has begun it serves, whether it said so or not."""
        mod = self.mod
        mod._mods._check_supervisor()
        port = mod._port
        begun = self.position >= 0 and port is not None and port is self.port and self.position < port.peer_started
        if not begun and (port is None or not mod._is_live()):
            text = self._says("no answer in time: handing over to another version")
            return ModTimeout(text, mod=mod.name, event=self.event, handing_over=True)
        return ModTimeout(self._says(f"no answer within {self.timeout:g} s"), mod=mod.name, event=self.event)

    def _crashed(self) -> ModCrashed:
        text = self._says("it crashed while it handled this call")
        return ModCrashed(text, mod=self.mod.name, event=self.event)

    def _says(self, what: str) -> str:
        return self.mod._says(self.event, what)


def wait(request: Request, *, spin: bool) -> Any:
    """Sleep until it is over, at most to its deadline. `spin` False parks at once: the workers asked need every CPU."""
    mod, mods, deadline = request.mod, request.mod._mods, request.deadline
    steps = request.steps()
    news: int | None = None
    try:
        while True:
            what = steps.send(news)
            left = deadline - time.monotonic_ns()
            if what == ON_PORT:
                assert mod._port is not None, "it waits for a worker"
                news = mod._port.wait(left, spin)
            else:
                mods._wait_for_news(what, left)
    except CorruptRing as error:
        raise mod._lied(error, request.event) from None
    except StopIteration as done:
        return done.value

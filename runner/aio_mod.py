"""One mod as a game in an event loop sees it. The semantics are those of mod.py; what differs is how it waits.

::

    call: push ──▶ PARKED = in a loop, look once more ──▶ back to the loop
                                                             ▲
    worker: publishes, finds PARKED, writes to the eventfd ──┘  attend: take what is there, step whose answer it is

Nothing of a mod runs when nobody waits for it: no task, no timer, and its worker finds nothing parked.
"""

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from ..shared import payload
from ..shared._ring import MESSAGE, QUERY, CorruptRing, Port
from ..shared.errors import FumehoodError, ModFailure, PayloadError, UsageError
from ..shared.messages import Call, Value, pack
from .aio_rounds import Round, Waiting
from .inbox import WAIT_NS
from .pacing import Pace
from .records import Outcome
from .requests import Request

if TYPE_CHECKING:
    from .aio_mods import Mods
    from .mod import Mod as BlockingMod


class Mod:
    """A mod by its name. Stays the same object over reloads, rollbacks and unloading."""

    def __init__(self, mods: "Mods", mod: "BlockingMod", alarm: int) -> None:
        """`alarm`: the mod's eventfd, taken over."""
        self._mods = mods
        self._mod = mod
        self._alarm = alarm
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, Waiting] = {}
        self._parked: Port | None = None
        """The port that is parked; None: none."""
        self._pace = Pace()
        self._again: asyncio.Handle | None = None
        """The next turn, when there was more than fits into one."""
        self._deaf: asyncio.TimerHandle | None = None
        """The end of a pause in which it is not listened to."""
        self._loop.add_reader(alarm, self._rung)

    # ── what the game asks ────────────────────────────────────────────────────────────────────────────────────────────

    async def call(self, event: str, /, *args: Any, timeout: float = 1.0) -> Any:
        """As `fumehood.runner.Mod.call`, awaited: the loop goes on meanwhile, and other calls of this mod may be made.

        A call that is cancelled stays sent: its handler runs, its value is thrown away. One that is outstanding when
        the mods are closed raises ModUnavailable.
        """
        mods = self._mods
        mods._check()
        patience = self._checked(event, timeout)
        entry = None
        if mods.inner._api is not None:
            entry = mods.inner._declared(event, args, f"{self.name}.call")
            if event in self._mod._card.filters:
                args = entry.filled(args)
        number = mods.next_number()
        try:
            data = pack(Call(number, event, args))
        except payload.UNPACKABLE:
            raise self._mod._unsendable(event, args) from None
        deadline = time.monotonic_ns() + patience
        ended: list[tuple[Any, FumehoodError | None]] = []
        one = Round(deadline, lambda _, reply, error: ended.append((reply, error)))
        one.add(Request(self._mod, number, data, event, deadline, timeout), self)
        await one.over()
        reply, error = ended[0]
        if error is not None:
            raise error
        if type(reply) is not Value:
            raise self._mod._error(reply, event)
        return reply.value if entry is None else self._mod._checked(entry, reply.value)

    async def call_outcome(self, event: str, /, *args: Any, timeout: float = 1.0) -> Outcome:
        """As `call`, but failures of the mod come back in `Outcome.error` instead of being raised."""
        started = time.perf_counter()
        value: Any = None
        failed: ModFailure | None = None
        try:
            value = await self.call(event, *args, timeout=timeout)
        except ModFailure as failure:
            failed = failure
        return Outcome(value, failed, self.epoch, self.version, time.perf_counter() - started)

    def _checked(self, event: object, timeout: object) -> int:
        """The patience in ns. Raises PayloadError, UsageError."""
        if type(event) is not str:
            raise PayloadError(f"an event's name is text, not {type(event).__name__}")
        try:
            return int(timeout * 1e9)  # type: ignore[operator]  # what does not multiply is refused
        except (ValueError, OverflowError, TypeError):
            raise UsageError(f"timeout has to be a finite number of seconds, not {timeout!r}") from None

    def post(self, event: str, /, *args: Any) -> bool:
        """As `fumehood.runner.Mod.post`: never waits."""
        self._mods._check()
        return self._mod.post(event, *args)

    @property
    def name(self) -> str:
        """Its key: the path under the mods folder, without an ending."""
        return self._mod.name

    @property
    def version(self) -> int:
        """Number of the version that answers now; 0: none."""
        return self._mod.version

    @property
    def digest(self) -> str:
        """SHA-256 of the snapshot that answers now, hexadecimal; empty: none."""
        return self._mod.digest

    @property
    def epoch(self) -> int:
        """The epoch the game has adopted; changes with every swap and rollback."""
        return self._mod.epoch

    @property
    def role(self) -> str:
        """ "active", "starting" (taking its state over), or "down"."""
        return self._mod.role

    @property
    def events(self) -> frozenset[str]:
        """The events it has handlers of."""
        return self._mod.events

    def __repr__(self) -> str:
        return repr(self._mod)

    # ── in the loop ───────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, waiting: Waiting) -> None:
        """Wait for this request, and send it unless it was."""
        self._waiting[waiting.request.number] = waiting
        self._mod._inbox.wanted.setdefault(waiting.request.number, None)
        waiting.step()
        if self._parked is None or self._parked is not self._mod._port:
            self.park()

    def forget(self, waiting: Waiting) -> None:
        """Nobody waits for this any more."""
        self._waiting.pop(waiting.request.number, None)
        self._mod._inbox.wanted.pop(waiting.request.number, None)
        if not self._waiting:
            self.park()

    def attend(self, *, everyone: bool = False) -> tuple[int, bool]:
        """Take what is there, and let those go on whose answer came; `everyone`: for others too something may have
        changed. Returns how many requests and queries were answered, and whether there may be more."""
        wanted, answered = self._mod._inbox.wanted, self._mods.inner.answered
        left = self._mod._collect(WAIT_NS)
        ended = 0
        for number, waiting in list(self._waiting.items()):
            if everyone or wanted.get(number) is not None:
                waiting.step()
                ended += waiting.over
        more = self.park(go_on=False)
        return ended + self._mods.inner.answered - answered, more or (left <= 0 and self._listens())

    def park(self, *, go_on: bool = True) -> bool:
        """Before the loop goes to sleep: let workers that publish ring, and look once more. Returns whether there is
        something, which is seen to in another turn: with `go_on`, the loop's next."""
        mod = self._mod
        ports = (*mod._leaving.values(), *([mod._port] if mod._port is not None else []))
        more = False
        try:
            if not self._listens():
                for port in ports if self._parked is not None else ():
                    port.rise()
                self._parked = None
                return False
            self._parked = mod._port
            for port in ports:
                more |= port.rest() in (MESSAGE, QUERY)
        except CorruptRing as error:
            mod._give_up(str(error))
        if more and go_on and self._again is None and self._deaf is None:
            self._again = self._loop.call_soon(self._turn)
        return more

    def _listens(self) -> bool:
        """Whether somebody waits for what it says: a caller, a worker that cannot go on before it is read, a handler
        that may ask."""
        inner = self._mods.inner
        return bool(self._waiting) or self._mod in inner._unsettled or inner._hears

    def _rung(self) -> None:
        with contextlib.suppress(BlockingIOError):  # its worker has read it itself
            os.eventfd_read(self._alarm)
        self._turn()

    def _turn(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        began = time.perf_counter()
        answers, more = self.attend()
        pause = self._pace.pause(began, time.perf_counter() - began, answers)
        if pause > 0:
            if self._deaf is None:
                self._loop.remove_reader(self._alarm)
                self._deaf = self._loop.call_later(pause, self._listen_again)
        elif more:
            self._again = self._loop.call_soon(self._turn)

    def _listen_again(self) -> None:
        self._deaf = None
        self._loop.add_reader(self._alarm, self._rung)
        self._turn()

    def fail(self, error: FumehoodError) -> None:
        """End what is waited for."""
        for waiting in list(self._waiting.values()):
            waiting.end(None, type(error)(*error.args) if not isinstance(error, ModFailure) else error)

    @property
    def waits(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self._waiting)

    def disown(self) -> None:
        """In a fork: the loop is the parent's."""
        if self._alarm >= 0:
            os.close(self._alarm)
            self._alarm = -1

    def close(self) -> None:
        """Let go of the loop and of the descriptor."""
        for handle in (self._again, self._deaf):
            if handle is not None:
                handle.cancel()
        self._again = self._deaf = None
        if self._alarm >= 0:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._alarm)
            os.close(self._alarm)
            self._alarm = -1

"""`Mods` of a game in an event loop: the state and the decisions are those of game.Mods, the waiting is awaited.

The loop hears of three things: the control socket; one eventfd of the supervisor's, written when the switchboard
changes; and one eventfd a mod, written by its worker while somebody waits for it. No thread, and no task of its own.
"""

import asyncio
import contextlib
import os
import subprocess
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from threading import get_ident
from types import TracebackType
from typing import Any, Self

from ..shared.errors import (
    FumehoodError,
    ModUnavailable,
    SupervisorDied,
    UsageError,
    WrongThread,
)
from . import aio_frames, control, game, game_helpers, game_saves
from . import intents as wishes
from .aio_mod import Mod
from .amounts import seconds
from .api import Api
from .launch import END_PATIENCE
from .link import PATIENCE
from .loop_link import LoopLink
from .reaping import ended
from .records import Applied, FrameReport, Intent, LoadReport, ModStatus, Receipt, Refusal
from .switchboard import SLOTS
from .wanted import Wanted

_alive: "weakref.WeakSet[Mods]" = weakref.WeakSet()


class Inner(game.Mods):
    """What both forms have in common. A function of the game's that wants the mod gets the one that is awaited."""

    answered = 0
    """Queries so far."""
    named: Callable[[str], Mod]

    def _begin_answer(self, name: str, deadline: int) -> Any:
        super()._begin_answer(name, deadline)
        self.answered += 1
        return self.named(name)


class Mods:
    """All mods of one supervisor, by name, for one event loop; made by `aio.launch` and `aio.connect`.

    As `fumehood.runner.Mods`, name by name. What waits is awaited: `emit`, `veto`, `status`, `receipts`, `wait`,
    `settle`, `save`, `load`, `provide`, `close`. The rest is called as there, and never waits; but `publish` does for a
    moment, when a view is new or needs more room. Raises WrongThread in another thread or event loop.
    """

    def __init__(self, link: LoopLink, welcome: control.Welcome, fds: list[int], api: Api | None) -> None:
        """For `aio.launch` and `aio.connect`. Takes the descriptors over."""
        self._loop = asyncio.get_running_loop()
        self._news = fds.pop()
        self._link = link
        self.inner = Inner(link, welcome, fds, api)
        self.inner.named = self.named
        self._by_name: dict[str, Mod] = {}
        self._closed = False
        self._one_at_a_time = asyncio.Lock()
        """A save that begins while another is under way would end that."""
        self._introduced: list[asyncio.Future[None]] = []
        self.process: subprocess.Popen[bytes] | None = None
        """The supervisor, if it ends with these mods."""
        link.on_introduced = self._meet_one
        link.on_fresh = self._catch_up
        link.on_died = self._fail
        self._loop.add_reader(self._news, self._changed)
        _alive.add(self)

    # ── frames ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def emit(self, event: str, /, *args: Any, budget: float = 0.01) -> FrameReport:
        """As `fumehood.runner.Mods.emit`. Several may be under way; each mod gets them in the order they were begun."""
        self._check()
        return await aio_frames.emit(self, event, args, budget)

    async def veto(self, event: str, /, *args: Any, budget: float = 0.01) -> Refusal | None:
        """As `fumehood.runner.Mods.veto`."""
        self._check()
        return await aio_frames.veto(self, event, args, budget)

    def intents(self) -> list[Intent]:
        """As `fumehood.runner.Mods.intents`."""
        self._check()
        return self.inner.intents()

    def apply(self) -> Applied:
        """As `fumehood.runner.Mods.apply`; a function that wants the mod gets the `aio.Mod`."""
        self._check()
        inner = self.inner
        if inner._api is None:
            raise UsageError("mods.apply() needs to know what intents mean: launch(…, api=api), or use mods.intents()")
        report = wishes.apply(inner, inner._api, self.named)
        inner._refused_intents += report.refusals
        return report

    @property
    def clock(self) -> float:
        """As `fumehood.runner.Mods.clock`."""
        return self.inner.clock

    @clock.setter
    def clock(self, now: float) -> None:
        self._check()
        self.inner.clock = now

    def publish(self, name: str, array: Any, /) -> int:
        """As `fumehood.runner.Mods.publish`. Waits for the supervisor, 0.1 ms and the allocation, only when the view is
        new or needs more room."""
        self._check()
        return self.inner.publish(name, array)

    def publishing(self, name: str, like: Any) -> AbstractContextManager[Any]:
        """As `fumehood.runner.Mods.publishing`; waits when `publish` would."""
        self._check()
        return self.inner.publishing(name, like)

    # ── mods by name ──────────────────────────────────────────────────────────────────────────────────────────────────

    def __getitem__(self, name: str) -> Mod:
        """The mod of that name, whatever its role. Raises ModUnavailable when the game has not heard of it; that of a
        mod which was just saved is heard of by `await mods.wait(…)` or `settle()`."""
        mod = self._by_name.get(name)
        if mod is None:
            self._check()
            self.inner._look_if_changed()
            known = ", ".join(sorted(self._by_name)) or "none"
            raise ModUnavailable(f"there is no mod {name!r}; known: {known}", mod=str(name))
        return mod

    def __contains__(self, name: object) -> bool:
        self._check()
        return name in self.inner

    def __iter__(self) -> Iterator[str]:
        self._check()
        return iter(self.inner)

    def __len__(self) -> int:
        self._check()
        return len(self.inner)

    def __repr__(self) -> str:
        return repr(self.inner)

    def named(self, name: str) -> Mod:
        """A mod that is known."""
        return self._by_name[name]

    # ── what the supervisor knows ─────────────────────────────────────────────────────────────────────────────────────

    async def status(self) -> list[ModStatus]:
        """As `fumehood.runner.Mods.status`."""
        self._check()
        return sorted(await self._link.status_awaited(), key=lambda status: status.name)

    async def receipts(self, since: int = 0) -> list[Receipt]:
        """As `fumehood.runner.Mods.receipts`."""
        self._check()
        return await self._link.receipts_awaited(game.receipt_number(since), 0.0)

    async def wait(
        self,
        name: str,
        *,
        version: int | None = None,
        digest: str | None = None,
        verdict: str | None = "live",
        since: int = 0,
        timeout: float = 10.0,
    ) -> Receipt:
        """As `fumehood.runner.Mods.wait`. The mod is known by then, whatever its verdict."""
        self._check()
        deadline = time.monotonic() + seconds(timeout, "timeout")
        wanted = Wanted(name, version, digest, verdict, game.receipt_number(since))
        while True:
            self._catch_up()
            left = deadline - time.monotonic()
            receipt = wanted.among(await self._link.receipts_awaited(wanted.seen, max(0.0, min(left, 5.0))))
            if receipt is not None:
                await self._meet()
                return receipt
            if left <= 0:
                raise wanted.missed(timeout)

    async def settle(self, timeout: float = 10.0) -> bool:
        """As `fumehood.runner.Mods.settle`."""
        self._check()
        deadline = time.monotonic() + seconds(timeout, "timeout")
        look = True
        while True:
            self._catch_up()
            left = deadline - time.monotonic()
            if await self._link.settle_awaited(max(0.0, left), look=look):
                await self._meet()
                return True
            look = False
            if left <= 0:
                return False

    async def save(self, timeout: float = 5.0) -> bytes:
        """As `fumehood.runner.Mods.save`: the point is where this is begun, and what other tasks send while it is
        awaited may be in it or not. A second save or load waits for the first."""
        self._check()
        timeout = seconds(timeout, "timeout")
        async with self._one_at_a_time:
            answers = await self._asked(lambda begin, number: control.Save(number, begin, timeout), timeout)
        return game_saves.packed(answers)

    async def load(self, data: bytes, timeout: float = 10.0) -> LoadReport:
        """As `fumehood.runner.Mods.load`. What other tasks send while it is awaited is handled before or after."""
        self._check()
        timeout = seconds(timeout, "timeout")
        fd, size = game_saves.carried(data)
        try:
            async with self._one_at_a_time:
                answers = await self._asked(
                    lambda begin, number: control.Load(number, begin, timeout, size), timeout, (fd,)
                )
        finally:
            os.close(fd)
        return game_saves.loaded(self.inner, answers)

    async def _asked(
        self, make: Callable[[bool, int], Any], timeout: float, fds: tuple[int, ...] = ()
    ) -> list[tuple[Any, list[int]]]:
        """As game_saves asks: adopt what is on offer, and ask again, until the answer is whole."""
        deadline = time.monotonic() + timeout
        begin = True
        while True:
            self._catch_up()
            left = max(0.0, deadline - time.monotonic())
            first = begin
            answers, whole = await self._link.ask(lambda number: make(first, number), left, fds if begin else ())  # noqa: B023
            begin = False
            if whole:
                return answers

    async def provide(self, name: str, helper: object, timeout: float = 1.0) -> None:
        """As `fumehood.runner.Mods.provide`."""
        self._check()
        timeout = seconds(timeout, "timeout")
        fd, make = game_helpers.prepared(self.inner, name, helper, timeout)
        try:
            await self._link.ask(make, timeout, (fd,))
        finally:
            os.close(fd)

    def statistics(self) -> dict[str, int]:
        """As `fumehood.runner.Mods.statistics`. An emit that is awaited holds up nobody: `worst_frame_ns` is how long
        one was under way."""
        return self.inner.statistics()

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def close(self) -> None:
        """As `fumehood.runner.Mods.close`. Calls that are outstanding raise ModUnavailable; whoever awaits an answer of
        the supervisor's gets UsageError. Cancelled, it kills what is left, and ends at once."""
        if self._closed:
            return
        self._check()
        self._closed = True
        for mod in self._by_name.values():
            mod.fail(ModUnavailable(f"{mod.name}: these mods were closed while it was asked", mod=mod.name))
        self._link.turn_away(UsageError("these mods are closed"))
        try:
            if self.process is not None:
                await self._link.bye_awaited(END_PATIENCE)
        finally:
            self._let_go()
            if self.process is not None:
                await ended(self.process)

    def _let_go(self) -> None:
        _alive.discard(self)
        self._loop.remove_reader(self._news)
        os.close(self._news)
        for mod in self._by_name.values():
            mod.close()
        self.inner._release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # ── in the loop ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _check(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if loop is not self._loop:
            if get_ident() != self.inner._thread and not self._closed:
                self.inner._refuse_thread()
            raise WrongThread("these mods belong to the event loop that made them; use them from its coroutines alone")
        if self._closed:
            raise UsageError("these mods are closed")

    def next_number(self) -> int:
        """Of the next request."""
        self.inner._requests += 1
        return self.inner._requests

    def _meet_one(self, message: control.Introduce, fds: list[int]) -> None:
        alarm = fds.pop() if len(fds) > 2 * SLOTS else -1
        known = len(self.inner._table)
        try:
            self.inner._meet_one(message, fds)
            if alarm >= 0 and len(self.inner._table) > known:
                self._by_name[message.name] = Mod(self, self.inner._table[-1], alarm)
                alarm = -1
        finally:
            if alarm >= 0:
                os.close(alarm)

    async def _meet(self) -> None:
        """Adopt what is new, and wait until every mod that there is has been introduced."""
        self._catch_up()
        while self._link.pending and not self._closed:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._introduced.append(waiter)
            try:
                async with asyncio.timeout(PATIENCE):
                    await waiter
            except TimeoutError:
                raise SupervisorDied("the supervisor did not answer in time") from None

    def _changed(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._news)
        self._catch_up()

    def _catch_up(self) -> None:
        """The switchboard changed: whoever waits looks where it stands now, then what is new is adopted. In that order:
        who dies is heard to the end before the game goes on from it."""
        if self._closed:
            return
        inner = self.inner
        for mod in [mod for mod in self._by_name.values() if mod.waits]:
            mod.attend(everyone=True)
        try:
            inner._look_if_changed()
        except FumehoodError as error:  # the supervisor is gone; its socket says so, too
            self._fail(error)
            return
        for mod in list(self._by_name.values()):
            if mod.waits:
                mod.attend(everyone=True)
            mod.park()
        if not self._link.pending:
            for waiter in self._introduced:
                if not waiter.done():
                    waiter.set_result(None)
            self._introduced.clear()

    def _fail(self, error: FumehoodError) -> None:
        """The supervisor is gone: nobody answers any more."""
        for mod in list(self._by_name.values()):
            mod.fail(error)
        for waiter in self._introduced:
            if not waiter.done():
                waiter.set_exception(type(error)(*error.args))
        self._introduced.clear()


def _after_fork() -> None:
    """In a fork: close our copies. The loop, whose epoll the parent shares, is not touched."""
    for mods in list(_alive):
        mods._closed = True
        os.close(mods._news)
        for mod in mods._by_name.values():
            mod.disown()


os.register_at_fork(after_in_child=_after_fork)

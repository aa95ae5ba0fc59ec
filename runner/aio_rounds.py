"""Requests that are awaited in an event loop: the second way to wait for a `Request`. Runs in the game.

A *round* is what one await is for: a call is a round of one request, an emit one of as many as there are mods that hear
of it. It has one deadline, one timer and one future. Cancelling whoever awaits it takes its requests out of what is
waited for; an answer that comes all the same is a stray.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..shared._ring import DEAD, MESSAGE, QUERY, TIMEOUT, CorruptRing
from ..shared.errors import FumehoodError
from .requests import ON_PORT, Request

if TYPE_CHECKING:
    from .aio_mod import Mod

EARLY: Final = 0.0005
"""Seconds until a timer is tried again that the loop ran a few nanoseconds before its time."""


class Round:
    """Made and ended by who awaits it. One loop."""

    def __init__(self, deadline: int, take: Callable[[Request, Any, FumehoodError | None], None]) -> None:
        """`deadline`: ns of the monotonic clock. `take` is given each request's reply, or its error."""
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._take = take
        self._pending: dict[Waiting, None] = {}
        """In the order in which they were added, which is that of the report."""
        self._future: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, request: Request, owner: "Mod") -> None:
        """Wait for this, too."""
        waiting = Waiting(request, self, owner)
        self._pending[waiting] = None
        owner.begin(waiting)

    async def over(self) -> None:
        """Wait until each has its reply or error, or time is up and the rest has ModTimeout."""
        try:
            if self._pending:
                self._timer = self._loop.call_at(self._deadline / 1e9, self._time_up)
                await self._future
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for waiting in list(self._pending):
                waiting.give_up()
            self._pending.clear()

    def ended(self, waiting: "Waiting", reply: Any, error: FumehoodError | None) -> None:
        """One of them is over."""
        self._pending.pop(waiting, None)
        try:
            self._take(waiting.request, reply, error)
        finally:
            if not self._pending and not self._future.done():
                self._future.set_result(None)

    def _time_up(self) -> None:
        for waiting in list(self._pending):
            waiting.step()
        if self._pending:
            self._timer = self._loop.call_later(EARLY, self._time_up)


class Waiting:
    """One request of a round."""

    __slots__ = ("_owner", "_round", "_steps", "_what", "over", "request")

    def __init__(self, request: Request, whose: Round, owner: "Mod") -> None:
        self.request = request
        self.over = False
        self._round = whose
        self._owner = owner
        self._steps = request.steps()
        self._what: int | None = None
        """What it waits for; None: it has not begun."""

    def step(self) -> None:
        """Look, and go on as far as it goes. Nothing is awaited in here, and nothing is raised but our own faults."""
        if self.over:
            return
        mod, event = self.request.mod, self.request.event
        try:
            what = self._steps.send(None if self._what is None else self._news(self._what))
            while self._goes_on(what):
                what = self._steps.send(self._news(what))
            self._what = what
        except StopIteration as done:
            self.end(done.value, None)
        except CorruptRing as error:
            self.end(None, mod._lied(error, event))
        except FumehoodError as error:
            self.end(None, error)

    def _goes_on(self, what: int) -> bool:
        """Whether there is nothing to wait for: at its deadline, and when the worker is dead."""
        if time.monotonic_ns() >= self.request.deadline:
            return True
        port = self.request.mod._port
        return what == ON_PORT and port is not None and port.rest() == DEAD

    def _news(self, what: int) -> int:
        """What has come since it yielded `what`. What lies in a ring is for Mod.attend to take, until time is up."""
        request = self.request
        port = request.mod._port
        if what != ON_PORT or port is None or port is not request.port:
            return TIMEOUT
        news = port.rest()
        if news == QUERY or (news == MESSAGE and time.monotonic_ns() < request.deadline):
            return TIMEOUT
        return news

    def end(self, reply: Any, error: FumehoodError | None) -> None:
        """It is over: with a reply, or an error."""
        if not self.over:
            self.give_up()
            self._round.ended(self, reply, error)

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        if not self.over:
            self.over = True
            self._steps.close()
            self._owner.forget(self)

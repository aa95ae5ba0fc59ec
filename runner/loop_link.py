"""The game's end of the control socket in an event loop: several requests outstanding, each awaited. See link.py."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..shared import errors, packets
from ..shared.messages import pack
from . import control
from .game import MOST_INTRODUCTIONS
from .link import PATIENCE, Link, _close_all
from .records import ModStatus, Receipt

AT_ONCE: Final = 16
"""Requests under way; those beyond wait their turn. More: a game that gives many up at once could fill the socket."""

Answers = list[tuple[Any, list[int]]]


class LoopLink(Link):
    """The connection of a game in an event loop. One loop."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self._loop = asyncio.get_running_loop()
        self._exchanges: dict[int, tuple[Answers, asyncio.Future[bool]]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._greeting: asyncio.Future[tuple[control.Welcome, list[int]]] | None = None
        self._over: errors.FumehoodError | None = None
        """Why nothing more will come."""
        self.on_fresh: Callable[[], None] = lambda: None
        """Called when mods were introduced."""
        self.on_died: Callable[[errors.FumehoodError], None] = lambda _: None
        """Called once, when the supervisor is gone."""
        self._loop.add_reader(sock, self._readable)

    # ── awaited ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def greet_awaited(self, deadline: float, contract: bytes) -> tuple[control.Welcome, list[int]]:
        """As `greet`, with one descriptor more: see control.Welcome."""
        self._greeting = self._loop.create_future()
        with contextlib.suppress(errors.SupervisorDied):  # as in `greet`
            self._send(control.Hello(control.PROTOCOL, contract, loop=True))
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(self._greeting)
        except TimeoutError:
            raise errors.SupervisorDied("the supervisor did not answer in time") from None
        except asyncio.CancelledError:
            if self._greeting.done() and not self._greeting.cancelled() and self._greeting.exception() is None:
                _close_all(None, self._greeting.result()[1])
            raise
        finally:
            self._greeting = None

    async def ask(self, make: Callable[[int], Any], patience: float, fds: tuple[int, ...] = ()) -> tuple[Answers, bool]:
        """As `exchange`. A request whose waiter is cancelled is given up: its answer costs nothing."""
        async with self._turns:
            self._raise_if_over()
            self._id += 1
            number = self._id
            answers: Answers = []
            future: asyncio.Future[bool] = self._loop.create_future()
            self._exchanges[number] = answers, future
            try:
                self._send(make(number), fds)
                async with asyncio.timeout(patience + PATIENCE):
                    return answers, await future
            except TimeoutError:
                self._abandon(number, answers)
                raise errors.SupervisorDied("the supervisor did not answer in time") from None
            except BaseException:
                self._abandon(number, answers)
                raise
            finally:
                del self._exchanges[number]

    async def status_awaited(self) -> list[ModStatus]:
        """As `status`."""
        answers, _ = await self.ask(control.StatusRequest, 0.0)
        return [answer.status for answer, _ in answers]

    async def receipts_awaited(self, since: int, patience: float) -> list[Receipt]:
        """As `receipts`."""
        answers, _ = await self.ask(lambda number: control.ReceiptsRequest(number, since, patience), patience)
        return [answer.receipt for answer, _ in answers]

    async def settle_awaited(self, patience: float, *, look: bool) -> bool:
        """As `settle`."""
        _, rest = await self.ask(lambda number: control.Settle(number, patience, look), patience)
        return rest

    async def bye_awaited(self, patience: float) -> None:
        """As `bye`."""
        with contextlib.suppress(errors.FumehoodError, TimeoutError):
            async with asyncio.timeout(patience):
                await self.ask(control.Bye, patience)

    # ── not waited for ────────────────────────────────────────────────────────────────────────────────────────────────

    def begin_introductions(self, since: int) -> None:
        """As in Link: another request need not be over for it."""
        if not self._pending and self._over is None:
            self._id += 1
            self._pending = self._id
            self._send(control.Introductions(self._pending, since))

    def poll(self, most: int = 2**31) -> None:
        """What comes is taken when the loop says so."""

    def finish_introductions(self, deadline: float) -> None:
        """Nothing waits for them here."""

    def _ask(self, request: Any, deadline: float, given: tuple[int, ...] = ()) -> Iterator[tuple[Any, list[int]]]:
        """The blocking form, for what takes a tenth of a millisecond: what comes for others meanwhile is theirs."""
        self._raise_if_over()
        self._send(request, given)
        while True:
            answer, fds = self._receive(deadline)
            if getattr(answer, "id", 0) != request.id:
                self._deliver(answer, fds)
            elif isinstance(answer, control.Refusal):
                raise _error(answer)
            elif isinstance(answer, control.Done):
                self._rest = answer.rest
                return
            else:
                yield answer, fds

    # ── what comes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _readable(self) -> None:
        """A few packets at a time: the loop has other things to do, and says again that there are more."""
        for _ in range(MOST_INTRODUCTIONS):
            try:
                data, fds = packets.receive(self._sock, control.PACKET_LIMIT)
                answer = self._decode(data)
            except BlockingIOError:
                break
            except ConnectionResetError:
                continue  # see Link._receive
            except (OSError, ValueError, errors.FumehoodError) as error:
                gone = "the supervisor is gone; its mods are gone with it"
                self._end(error if isinstance(error, errors.FumehoodError) else errors.SupervisorDied(gone))
                return
            self._deliver(answer, fds)
        if self.fresh:
            self.on_fresh()

    def _decode(self, data: bytes) -> Any:
        if not data:
            raise errors.SupervisorDied("the supervisor is gone; its mods are gone with it")
        return control.unpack_answer(data)

    def _deliver(self, answer: Any, fds: list[int]) -> None:
        number = getattr(answer, "id", 0)
        exchange = self._exchanges.get(number)
        if isinstance(answer, control.Introduce):
            self.fresh = True
            self.on_introduced(answer, fds)
        elif isinstance(answer, control.Welcome) and self._greeting is not None and not self._greeting.done():
            self._greeting.set_result((answer, fds))
        elif isinstance(answer, control.Refusal) and number == 0:
            self._end(_error(answer))
        elif isinstance(answer, control.Done) and number == self._pending:
            self._pending = 0
            self.fresh = True
        elif exchange is None or exchange[1].done():
            _close_all(answer, fds)  # the late answer to a request that was given up
        elif isinstance(answer, control.Refusal):
            exchange[1].set_exception(_error(answer))
        elif isinstance(answer, control.Done):
            exchange[1].set_result(answer.rest)
        else:
            exchange[0].append((answer, fds))

    def _abandon(self, number: int, answers: Answers) -> None:
        for answer, fds in answers:
            _close_all(answer, fds)
        answers.clear()
        if self._sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                packets.send(self._sock, pack(control.Abandon(number)))

    def _raise_if_over(self) -> None:
        if self._over is not None:
            raise type(self._over)(*self._over.args)

    def _end(self, error: errors.FumehoodError) -> None:
        """Nothing more will come: whoever waits is told."""
        if self._over is not None:
            return
        self._over = error
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
        waiting: list[asyncio.Future[Any]] = [future for _, future in self._exchanges.values()]
        if self._greeting is not None:
            waiting.append(self._greeting)
        for future in waiting:
            if not future.done():
                future.set_exception(type(error)(*error.args))
        self.on_died(error)

    def turn_away(self, error: errors.FumehoodError) -> None:
        """Whoever waits for the supervisor's answer gets this instead."""
        for _, future in self._exchanges.values():
            if not future.done():
                future.set_exception(type(error)(*error.args))

    def close(self) -> None:
        """As in Link."""
        self.on_died = lambda _: None
        self._end(errors.UsageError("these mods are closed"))
        super().close()


def _error(refusal: control.Refusal) -> errors.FumehoodError:
    kind = getattr(errors, refusal.kind, errors.SupervisorDied)
    error: errors.FumehoodError = kind(refusal.message)
    return error

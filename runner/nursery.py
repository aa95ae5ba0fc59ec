"""The nursery: keeps a zygote and warm spares, hands confined workers out, notices every death.

::

    Nursery.start ──exec──▶ zygote ──ZygoteUp──▶ layers, address space
    Nursery.take  ◀── spare (confined, unassigned) ◀── Forked + pidfd, and Confined on the worker's own socket
    death = the pidfd is readable AND the zygote's Exited (1 s for the latter)

asyncio, no threads: the zygote dies with the *thread* that started it, so that must be the loop's own.
"""

import asyncio
import itertools
import os
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ..shared import held
from ..shared.errors import MachineError
from ..shared.messages import Exited, Fork, Forked, ForkFailed, ZygoteReport, ZygoteUp
from ..shared.plan import Plan
from ..shared.policy import Confinement, Limits
from ..shared.removal import go_on, removal
from . import packages as packages_
from . import scratch
from .worker_process import STATUS_DEADLINE, WorkerProcess
from .zygote_process import ZygoteProcess, gone

__all__ = ["Nursery", "WorkerProcess"]

TAKE_DEADLINE: Final = 5.0
"""Seconds `take` waits for a confined worker. A fork takes milliseconds; only a machine in trouble needs longer."""
REFILL_DELAY: Final = 0.1
"""Seconds after a spare was taken before the next is forked, while another is left. Shorter: the fork competes with the
reload that took it, about 3 ms of a core; longer: a burst of saves finds no spare more often."""
BAD_BIRTHS: Final = 3
"""So many workers in a row that died before they were confined stop the refilling: the next would too."""
LOWERED: Final = ("memory", "files", "file_size", "cpu_total")
"""Limits that can be lowered on a spare from outside but never raised: for more than it has, a fork of its own."""
BORN_WITH: Final = ("scratch_bytes", "scratch_inodes")
"""Limits fixed when the scratch is mounted: any other value takes a fork of its own."""
CLEARING: Final = 10.0
"""Seconds that the end may take to clear the workers' folders away. One that is full takes about 0.1 s; what is left
after that stays on the disk."""
SWEEPING: Final = 0.002
"""Seconds of uninterrupted work on what earlier ones have left. Longer: hang checks late; shorter: it takes longer."""
CLEARING_LOST: Final = 1.0
"""Seconds of that when the zygote was lost, in which the loop stands still: all that it served is dead. An owner that
closes the nursery then has the rest cleared too."""


def make_plan(
    confinement: Confinement, found: packages_.Visible, entry: str = "", extra: dict[str, str] | None = None
) -> Plan:
    """Put down what the zygote must see. `extra`: further modules by name and place."""
    more = extra or {}
    folder = ""
    if confinement is Confinement.REDUCED:
        folder = held.name_in(tempfile.gettempdir())
    return Plan(
        confinement=confinement,
        parent=os.getpid(),
        fumehood=packages_.fumehood_folder(),
        packages={**found.packages, **more},
        search=[*found.search, *sorted({str(Path(place).parent) for place in more.values()} - set(found.search))],
        companions=found.companions,
        scratch=folder,
        **({"entry": entry} if entry else {}),
    )


class Nursery:
    """One zygote and its workers. Every method belongs to the event loop's thread."""

    def __init__(
        self,
        *,
        confinement: Confinement,
        packages: Sequence[str],
        limits: Limits,
        spares: int = 2,
        python: str = sys.executable,
        on_lost: Callable[[str], None],
        entry: str = "",
        extra: dict[str, str] | None = None,
        hash_seed: int | None = None,
    ) -> None:
        """`limits`: what spares are forked with. `spares`: how many to keep warm; more cost memory, fewer make a burst
        of reloads wait for forks. `on_lost(reason)`: the zygote died, and every worker with it. `entry`, `extra`:
        another function than the worker's loop, and where its module is. `hash_seed`: what `hash` of text depends on;
        None: on chance.
        """
        self._confinement = confinement
        self._packages = packages
        self._limits = limits
        self._spares = spares
        self._python = python
        self._on_lost = on_lost
        self._entry = entry
        self._hash_seed = hash_seed
        self._extra = extra
        self._zygote: ZygoteProcess | None = None
        self._scratch = ""
        self._base = 0
        self._closing = False  # no more forks
        self._closed = False
        self._serial = 0
        self._workers: dict[int, WorkerProcess] = {}
        self._spare: set[WorkerProcess] = set()  # forked as spares, confined or not yet
        self._ready: deque[WorkerProcess] = deque()
        self._waiting: deque[asyncio.Future[WorkerProcess]] = deque()
        self._bad_births = 0
        self._can_lower = True  # until the kernel says no: root without CAP_SYS_RESOURCE, in a container
        self._began: dict[int, float] = {}
        self._births: deque[float] = deque(maxlen=256)
        self._tasks: set[asyncio.Task[None]] = set()
        self._refilling: asyncio.TimerHandle | None = None

    # ── the supervisor's calls ────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, timeout: float = 30.0) -> ZygoteUp:
        """Start the zygote and wait until it can fork. Raises MachineError with the layer that is missing and its
        remedy, or when it takes longer than `timeout` seconds; ConfigError for a package that is not there."""
        found = packages_.locate(self._packages)
        plan = make_plan(self._confinement, found, self._entry, self._extra)
        self._scratch = plan.scratch
        self._zygote = ZygoteProcess(self._heard, self._lost)
        try:
            up = await self._zygote.start(self._python, plan, timeout, self._hash_seed)
            if broken := [name for name in found.named if name in up.unimportable]:
                why = up.unimportable[broken[0]]
                raise MachineError(f"package {broken[0]!r} does not import in the sandbox: {why}")
        except BaseException:
            await self.close()
            raise
        self._base = up.address_space
        self._refill()
        if self._scratch:
            self._keep(self._patrol_scratch())
            self._keep(self._sweep())
        return up

    async def take(self, limits: Limits | None = None) -> WorkerProcess:
        """Hand out a confined worker with its limits set: a spare, or a fork of its own where `limits` ask for more
        than the spares have. Raises MachineError when none is there within TAKE_DEADLINE, or the zygote is gone."""
        self._check_open()
        wanted = limits or self._limits
        if self._needs_own(wanted):
            return await self._own_fork(wanted)
        worker = await self._take_spare()
        if wanted == worker.limits or worker.lower(wanted, self._base):
            return worker
        worker.kill()
        self._can_lower = False
        return await self._own_fork(wanted)

    async def close(self) -> None:
        """Kill every worker and the zygote, wait until they are gone, clear away. Idempotent."""
        if self._closed:
            return
        self._closing = self._closed = True
        self._stop_waiting("the nursery is closing")
        workers = list(self._workers.values())
        for worker in workers:
            worker.kill()
        coming = [worker.confined for worker in workers if worker.pidfd < 0]
        if coming and self._zygote is not None and self._zygote.alive:
            await asyncio.wait(coming, timeout=STATUS_DEADLINE)  # so that they too are seen to end
        dying = [os.dup(worker.pidfd) for worker in workers if worker.pidfd >= 0]
        if self._zygote is not None:
            self._zygote.kill()
        for fd in dying:
            await gone(fd)
            os.close(fd)
        for worker in workers:
            worker.abandon()
        await self._let_go()

    def statistics(self) -> dict[str, Any]:
        """Counts, and microseconds from the fork request to the worker's own word that it is confined."""
        births = sorted(self._births)
        return {
            "spares_ready": len(self._ready),
            "spares_coming": len(self._spare) - len(self._ready),
            "workers": len(self._workers),
            "forked": self._serial,
            "fork_to_confined_us": {
                "p50": births[len(births) // 2] if births else 0.0,
                "max": births[-1] if births else 0.0,
                "count": len(births),
            },
        }

    @property
    def zygote_pid(self) -> int:
        """The zygote's pid; 0 before start and after close."""
        return self._zygote.pid if self._zygote else 0

    # ── spares ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _needs_own(self, wanted: Limits) -> bool:
        """Whether no spare can be made to fit: pure in `wanted`, the spares' limits and what the kernel allows."""

        def differs(names: Sequence[str]) -> bool:
            return any(getattr(wanted, name) != getattr(self._limits, name) for name in names)

        more = any(getattr(wanted, name) > getattr(self._limits, name) for name in LOWERED)
        return more or differs(BORN_WITH) or (not self._can_lower and differs(LOWERED))

    def _refill(self) -> None:
        if self._refilling is not None:
            self._refilling.cancel()
            self._refilling = None
        while not self._closing and self._bad_births < BAD_BIRTHS:
            if len(self._spare) >= self._spares + len(self._waiting):
                return
            try:
                worker = self._fork(self._limits)
            except MachineError as error:  # none until somebody asks again, who hears it
                self._bad_births = BAD_BIRTHS
                self._fail_waiting(str(error))
                return
            self._spare.add(worker)
            self._keep(self._raise_spare(worker))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sweep(self) -> None:
        """Reduced mode: clear away what supervisors have left here that were killed together with their zygotes."""
        deadline = time.monotonic() + CLEARING
        work = held.sweep(os.path.dirname(self._scratch))  # noqa: PTH120 (a str already)
        while go_on(work, SWEEPING) and time.monotonic() < deadline:
            await asyncio.sleep(0)

    async def _patrol_scratch(self) -> None:
        """Reduced mode: what a tmpfs of its own would refuse a worker, it is killed for here."""
        for turn in itertools.count():
            await asyncio.sleep(scratch.PERIOD)
            for worker in list(self._workers.values()):
                limits, folder = worker.limits or self._limits, f"{self._scratch}/{worker.serial}"
                if not worker.alive:
                    continue
                found = scratch.excess(folder, limits, worker.held)
                if found is None and (turn + worker.serial) % scratch.TURNS_TO_MAPS == 0:
                    found = scratch.kept(worker.pid, folder, limits)
                if found is not None and not worker.ended:  # else its folder is being removed
                    worker.condemn(found.what, found.limit)

    def _refill_later(self) -> None:
        """While spares are left, leave the cores to who took one: a fork takes as long as a mod takes to load."""
        if not self._ready:
            self._refill()
        elif self._refilling is None and not self._closing:
            self._refilling = asyncio.get_running_loop().call_later(REFILL_DELAY, self._refill)

    async def _raise_spare(self, worker: WorkerProcess) -> None:
        """Wait for one spare's Confined, then offer it; a stillborn one is replaced, a few times."""
        try:
            async with asyncio.timeout(TAKE_DEADLINE):
                await asyncio.shield(worker.confined)
        except (asyncio.CancelledError, TimeoutError):
            if self._closing:
                raise
            worker.kill()
            self._spare.discard(worker)
            self._bad_births += 1
            if self._bad_births >= BAD_BIRTHS:
                self._fail_waiting(_stillborn(worker))
            self._refill()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._spare.discard(worker)
                waiter.set_result(worker)
                self._refill()
                return
        self._ready.append(worker)

    async def _take_spare(self) -> WorkerProcess:
        while self._ready:
            worker = self._ready.popleft()
            self._spare.discard(worker)
            if worker.alive:
                self._bad_births = 0
                self._refill_later()
                return worker
        waiter: asyncio.Future[WorkerProcess] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._bad_births = 0  # somebody asks: try again, even if it failed before
        self._refill()
        try:
            async with asyncio.timeout(TAKE_DEADLINE):  # not wait_for: before 3.12 it drops cancellations
                return await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().kill()  # it was handed over to somebody who has just given up
            if isinstance(error, TimeoutError):
                raise MachineError(f"no confined worker within {TAKE_DEADLINE:g} s") from None
            raise

    async def _own_fork(self, limits: Limits) -> WorkerProcess:
        worker = self._fork(limits)
        try:
            async with asyncio.timeout(TAKE_DEADLINE):
                await asyncio.shield(worker.confined)
        except TimeoutError:
            worker.kill()
            raise MachineError(f"no confined worker within {TAKE_DEADLINE:g} s") from None
        except asyncio.CancelledError:
            worker.kill()
            if worker.confined.cancelled():
                raise MachineError(_stillborn(worker)) from None
            raise
        return worker

    def _fork(self, limits: Limits) -> WorkerProcess:
        """Ask the zygote for one more worker. Raises MachineError: it is gone, or no descriptor is left."""
        zygote = self._check_open()
        self._serial += 1
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)  # for the worker too: print() never hangs
            except OSError:
                ours.close()
                theirs.close()
                raise
        except OSError as error:
            raise MachineError(f"no descriptors for a worker: {error.strerror}") from error
        worker = WorkerProcess(self._serial, ours, reading)
        worker.hold_to(limits)
        self._workers[worker.serial] = worker
        worker.exited.add_done_callback(lambda _: self._forget(worker))
        self._began[worker.serial] = time.perf_counter()
        worker.confined.add_done_callback(lambda done: self._born(worker, done))
        try:
            zygote.fork(Fork(worker.serial, msgspec.to_builtins(limits)), (theirs.fileno(), writing))
        except MachineError:
            worker.abandon()
            raise
        finally:
            theirs.close()
            os.close(writing)
        return worker

    def _born(self, worker: WorkerProcess, done: asyncio.Future[None]) -> None:
        began = self._began.pop(worker.serial)
        if not done.cancelled():
            self._births.append((time.perf_counter() - began) * 1e6)

    def _forget(self, worker: WorkerProcess) -> None:
        self._workers.pop(worker.serial, None)
        if worker in self._ready:  # whatever ends one that has nothing to do may end the next one too
            self._ready.remove(worker)
            self._spare.discard(worker)
            self._bad_births += 1
            self._refill()

    # ── the zygote ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _heard(self, report: ZygoteReport, fds: list[int]) -> None:
        worker = None if isinstance(report, ZygoteUp) else self._workers.get(report.serial)
        if worker is None or not isinstance(report, Forked) or len(fds) != 1:
            for fd in fds:
                os.close(fd)
        else:
            worker.forked(fds[0])
        if worker is not None and isinstance(report, ForkFailed):
            worker.stderr = report.error
            worker.abandon()
        elif worker is not None and isinstance(report, Exited):
            worker.reaped(report.status, report.cpu)

    def _lost(self, reason: str) -> None:
        """The zygote ended: everything of its is dead or dying. The owner hears it first, whatever else fails here."""
        if self._closing:
            return
        self._closing = True
        self._on_lost(reason)
        self._stop_waiting(reason)
        for worker in list(self._workers.values()):
            worker.orphan()
        if self._scratch:
            go_on(removal(self._scratch), CLEARING_LOST)

    def _check_open(self) -> ZygoteProcess:
        if self._closing or self._zygote is None:
            raise MachineError("there is no zygote: not started, closed, or lost")
        return self._zygote

    def _stop_waiting(self, reason: str) -> None:
        for task in self._tasks:
            task.cancel()
        self._fail_waiting(reason)

    def _fail_waiting(self, reason: str) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(MachineError(reason))
                waiter.exception()  # seen: whoever waited for it may have been cancelled just now

    async def _let_go(self) -> None:
        if self._zygote is not None:
            await self._zygote.ended()
            self._zygote.close()
        if self._scratch:
            deadline = time.monotonic() + CLEARING
            work = removal(self._scratch)
            while go_on(work, 0.01) and time.monotonic() < deadline:
                await asyncio.sleep(0)  # others may have to say goodbye meanwhile


def _stillborn(worker: WorkerProcess) -> str:
    return f"a worker could not be confined: {worker.stderr.strip() or 'it died without a word'}"

"""The supervisor's side of the zygote: start it, keep warm spares, hand confined workers out, notice every death.

::

    Nursery.start ──exec──▶ zygote ──ZygoteUp──▶ layers, address space
    Nursery.take  ◀── spare (confined, unassigned) ◀── Forked + pidfd, then Confined on the worker's own socket
    death = the pidfd is readable AND the zygote's Exited (1 s for the latter)

asyncio, no threads: the zygote dies with the *thread* that started it, so that must be the loop's own.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ..shared import packets
from ..shared.errors import MachineError, ProtocolError
from ..shared.exits import Exit
from ..shared.messages import Exited, Fork, Forked, ForkFailed, ZygoteReport, ZygoteUp, pack, unpacker
from ..shared.plan import Plan
from ..shared.policy import Confinement, Limits
from . import packages as packages_
from .worker_process import STATUS_DEADLINE, WorkerProcess

__all__ = ["Nursery", "WorkerProcess"]

TAKE_DEADLINE: Final = 5.0
"""Seconds `take` waits for a confined worker. A fork takes 2 ms; only a machine in deep trouble needs longer."""
BAD_BIRTHS: Final = 3
"""So many workers in a row that died before they were confined stop the refilling: the next would too."""
_REPORT_LIMIT: Final = 256 * 1024
_OWN_FORK: Final = ("memory", "files", "file_size", "cpu_total")
"""Limits that can be lowered on a spare from outside, but never raised: more than the spares' takes a fork of its own."""
_BORN_WITH: Final = ("scratch_bytes", "scratch_inodes")
"""Limits fixed when the scratch is mounted: any other value takes a fork of its own."""

_unpack = unpacker(ZygoteReport, "the zygote")


def environment() -> dict[str, str]:
    """The zygote's whole environment: no secret of the game's can stand on its initial stack."""
    one_thread = dict.fromkeys(
        ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    )
    return {"LC_CTYPE": "C.UTF-8", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **one_thread}


def command(python: str, role: str, control: int, plan: int) -> list[str]:
    """The command line for `worker/start.py`, which this side executes and never imports."""
    script = str(Path(packages_.fumehood_folder(), "worker", "start.py"))
    return [python, "-I", "-S", "-X", "utf8", script, role, str(control), str(plan)]


def plan_file(plan: Plan) -> int:
    """The plan in a memfd, read from its start. Returns the descriptor."""
    fd = os.memfd_create("fumehood:plan", os.MFD_CLOEXEC)
    os.write(fd, msgspec.json.encode(plan))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def make_plan(
    confinement: Confinement, found: packages_.Visible, entry: str = "", extra: dict[str, str] | None = None
) -> Plan:
    """Put down what the zygote must see. `extra`: further modules by name and place."""
    more = extra or {}
    scratch = ""
    if confinement is Confinement.REDUCED:
        scratch = f"{tempfile.gettempdir()}/fumehood-{os.getpid()}-{secrets.token_hex(4)}"
    return Plan(
        confinement=confinement,
        parent=os.getpid(),
        fumehood=packages_.fumehood_folder(),
        packages={**found.packages, **more},
        search=[*found.search, *sorted({str(Path(place).parent) for place in more.values()} - set(found.search))],
        companions=found.companions,
        scratch=scratch,
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
    ) -> None:
        """`limits`: what spares are forked with. `spares`: how many to keep warm; more cost memory, fewer make a burst of
        reloads wait for forks. `on_lost(reason)`: the zygote died, and every worker with it. `entry`, `extra`: another
        function than the worker's loop, and where its module is.
        """
        self._confinement = confinement
        self._packages = packages
        self._limits = limits
        self._spares = spares
        self._python = python
        self._on_lost = on_lost
        self._entry = entry
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None
        self._process_fd = -1
        self._control: socket.socket | None = None
        self._errors = -1
        self._scratch = ""
        self._stderr = ""
        self._up: asyncio.Future[ZygoteUp] | None = None
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

    # The supervisor's calls

    async def start(self, timeout: float = 30.0) -> ZygoteUp:
        """Start the zygote and wait until it can fork. Raises MachineError with the layer that is missing and its
        remedy, or when it takes longer than `timeout` seconds; ConfigError for a package that is not there."""
        loop = asyncio.get_running_loop()
        found = packages_.locate(self._packages)
        plan = make_plan(self._confinement, found, self._entry, self._extra)
        self._scratch = plan.scratch
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors, errors = os.pipe()
        plan_fd = plan_file(plan)
        try:
            self._process = subprocess.Popen(
                command(self._python, "zygote", theirs.fileno(), plan_fd),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=(theirs.fileno(), plan_fd),
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            raise MachineError(f"{self._python} cannot be started: {error}") from error
        finally:
            theirs.close()
            os.close(plan_fd)
            os.close(errors)
        self._process_fd = os.pidfd_open(self._process.pid)
        self._control.setblocking(False)
        os.set_blocking(self._errors, False)
        self._up = loop.create_future()
        loop.add_reader(self._control, self._hear)
        loop.add_reader(self._errors, self._overhear)
        loop.add_reader(self._process_fd, self._lost)
        try:
            up = await asyncio.wait_for(asyncio.shield(self._up), timeout)
        except TimeoutError:
            await self.close()
            raise MachineError(f"the zygote was not ready within {timeout:g} s. {self._stderr}".strip()) from None
        except MachineError:
            await self.close()
            raise
        broken = [name for name in found.named if name in up.unimportable]
        if broken:
            await self.close()
            raise MachineError(f"package {broken[0]!r} does not import in the sandbox: {up.unimportable[broken[0]]}")
        self._base = up.address_space
        self._refill()
        return up

    async def take(self, limits: Limits | None = None) -> WorkerProcess:
        """Hand out a confined worker, its limits set from outside: a spare, or a fork of its own where `limits` ask for
        more than the spares have. Raises MachineError when none is there within TAKE_DEADLINE, or the zygote is gone."""
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
        for task in self._tasks:
            task.cancel()
        self._fail_waiting("the nursery is closing")
        workers = list(self._workers.values())
        for worker in workers:
            worker.kill()
        coming = [worker.confined for worker in workers if worker.pidfd < 0]
        if coming and self._process is not None and self._process.poll() is None:
            await asyncio.wait(coming, timeout=STATUS_DEADLINE)  # so that they too are seen to end
        dying = [os.dup(worker.pidfd) for worker in workers if worker.pidfd >= 0]
        self._kill_zygote()
        for fd in (*dying, self._process_fd):
            if fd >= 0:
                await _gone(fd)
        for fd in dying:
            os.close(fd)
        for worker in workers:
            worker.abandon()
        self._let_go()

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
        return self._process.pid if self._process else 0

    # Spares

    def _needs_own(self, wanted: Limits) -> bool:
        mine = self._limits
        if not self._can_lower and any(getattr(wanted, name) != getattr(mine, name) for name in _OWN_FORK):
            return True
        return any(getattr(wanted, name) > getattr(mine, name) for name in _OWN_FORK) or any(
            getattr(wanted, name) != getattr(mine, name) for name in _BORN_WITH
        )

    def _refill(self) -> None:
        while not self._closing and len(self._spare) < self._spares + len(self._waiting):
            if self._bad_births >= BAD_BIRTHS:
                return
            worker = self._fork(self._limits)
            self._spare.add(worker)
            task = asyncio.get_running_loop().create_task(self._raise_spare(worker))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _raise_spare(self, worker: WorkerProcess) -> None:
        """Wait for one spare's Confined, then offer it; a stillborn one is replaced, a few times."""
        try:
            await asyncio.wait_for(asyncio.shield(worker.confined), TAKE_DEADLINE)
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
        self._bad_births = 0
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
                self._refill()
                return worker
        waiter: asyncio.Future[WorkerProcess] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._bad_births = 0  # somebody asks: try again, even if it failed before
        self._refill()
        try:
            return await asyncio.wait_for(waiter, TAKE_DEADLINE)
        except TimeoutError:
            raise MachineError(f"no confined worker within {TAKE_DEADLINE:g} s") from None

    async def _own_fork(self, limits: Limits) -> WorkerProcess:
        worker = self._fork(limits)
        try:
            await asyncio.wait_for(asyncio.shield(worker.confined), TAKE_DEADLINE)
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
        """Ask the zygote for one more worker."""
        self._check_open()
        assert self._control is not None
        self._serial += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reading, writing = os.pipe2(
            os.O_CLOEXEC | os.O_NONBLOCK
        )  # non-blocking for the worker too: print() never hangs
        worker = WorkerProcess(self._serial, ours, reading)
        worker.limits = limits
        self._workers[worker.serial] = worker
        worker.exited.add_done_callback(lambda _: self._forget(worker))
        self._began[worker.serial] = time.perf_counter()
        worker.confined.add_done_callback(lambda done: self._born(worker, done))
        request = pack(Fork(worker.serial, msgspec.to_builtins(limits)))
        try:
            packets.send(self._control, request, (theirs.fileno(), writing))
        except OSError as error:
            worker.abandon()
            raise MachineError(f"the zygote takes no requests: {error}") from error
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
        if worker in self._ready:
            self._ready.remove(worker)
            self._spare.discard(worker)
            if not self._closing:
                self._refill()

    # The zygote's voice

    def _hear(self) -> None:
        assert self._control is not None
        for _ in range(64):
            try:
                data, fds = packets.receive(self._control, _REPORT_LIMIT)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                data, fds = b"", []
            if not data:
                asyncio.get_running_loop().remove_reader(self._control)
                self._kill_zygote()  # _lost follows
                return
            try:
                self._handle(_unpack(data), fds)
            except ProtocolError as error:
                self._stderr += str(error)
                self._kill_zygote()
                return

    def _handle(self, report: ZygoteReport, fds: list[int]) -> None:
        worker = None if isinstance(report, ZygoteUp) else self._workers.get(report.serial)
        if isinstance(report, ZygoteUp):
            if self._up is not None and not self._up.done():
                self._up.set_result(report)
        elif isinstance(report, Forked) and len(fds) == 1:
            if worker is None:
                os.close(fds[0])
            else:
                worker.forked(fds[0])
        elif isinstance(report, ForkFailed) and worker is not None:
            worker.stderr = report.error
            worker.abandon()
        elif isinstance(report, Exited) and worker is not None:
            worker.reaped(report.status)

    def _overhear(self) -> None:
        try:
            data = os.read(self._errors, 4096)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(self._errors)
        self._stderr = (self._stderr + data.decode(errors="replace"))[-16384:]

    def _lost(self) -> None:
        """The started process ended: everything of the zygote's is dead or dying."""
        assert self._process is not None
        asyncio.get_running_loop().remove_reader(self._process_fd)
        status = self._process.wait()
        with contextlib.suppress(OSError):
            while data := os.read(self._errors, 65536):
                self._stderr += data.decode(errors="replace")
        reason = self._why(status)
        if self._up is not None and not self._up.done():
            self._up.set_exception(MachineError(reason))
            return
        if self._closing:
            return
        self._closing = True
        self._kill_zygote()
        self._fail_waiting(reason)
        for task in self._tasks:
            task.cancel()
        for worker in list(self._workers.values()):
            worker.orphan()
        self._let_go()
        self._on_lost(reason)

    def _why(self, status: int) -> str:
        text = self._stderr.strip()
        if status == Exit.UNAVAILABLE and text:
            return text
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"the zygote was {how}. {text}" if status < 0 else f"the zygote {how}. {text}"

    # Ends

    def _check_open(self) -> None:
        if self._closing or self._control is None:
            raise MachineError("there is no zygote: not started, closed, or lost")

    def _fail_waiting(self, reason: str) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(MachineError(reason))

    def _kill_zygote(self) -> None:
        if self._process_fd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process_fd, signal.SIGKILL)

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            loop.remove_reader(self._process_fd)
            os.close(self._process_fd)
            self._process = None
        if self._control is not None:
            loop.remove_reader(self._control)
            self._control.close()
            self._control = None
        if self._errors >= 0:
            loop.remove_reader(self._errors)
            os.close(self._errors)
        self._errors = self._process_fd = -1
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)


async def _gone(pidfd: int, timeout: float = 5.0) -> None:
    """Wait until a process has ended."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    copy = os.dup(pidfd)  # somebody else may be watching the original in this loop
    loop.add_reader(copy, lambda: ended.done() or ended.set_result(None))
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended, timeout)
    finally:
        loop.remove_reader(copy)
        os.close(copy)


def _stillborn(worker: WorkerProcess) -> str:
    return f"a worker could not be confined: {worker.stderr.strip() or 'it died without a word'}"

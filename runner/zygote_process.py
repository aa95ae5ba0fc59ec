"""The zygote, as the supervisor sees it: one process of its own making, a control socket, what it says on stderr.

It is ours, so what it says is taken at its word; that it may die at any moment is all that is held against it.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from ..shared import packets
from ..shared.errors import MachineError, ProtocolError
from ..shared.exits import Exit
from ..shared.messages import Fork, ZygoteReport, ZygoteUp, pack, unpacker
from ..shared.plan import Plan
from .packages import fumehood_folder

REPORT_LIMIT: Final = 256 * 1024
"""Longest packet from the zygote, bytes: a ZygoteUp that names a thousand modules which would not import."""
REPORTS_A_TURN: Final = 64
STDERR_KEPT: Final = 16 * 1024
_ALLOW: Final = "and a container runtime that allows it: --security-opt seccomp=unconfined"

_unpack = unpacker(ZygoteReport, "the zygote")


def environment(hash_seed: int | None = None) -> dict[str, str]:
    """The zygote's whole environment: no secret of the game's can stand on its initial stack."""
    seed = {} if hash_seed is None else {"PYTHONHASHSEED": str(hash_seed)}
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {"LC_CTYPE": "C.UTF-8", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **dict.fromkeys(threads, "1"), **seed}


def command(python: str, role: str, control: int, plan: int, hash_seed: int | None = None) -> list[str]:
    """The command line for `worker/start.py`, which this side executes and never imports.

    Isolated, but for one that is to hash as it is told: that alone is read from an environment which is ours anyway.
    """
    isolation = ["-I"] if hash_seed is None else ["-P", "-s"]
    script = str(Path(fumehood_folder(), "worker", "start.py"))
    return [python, *isolation, "-S", "-X", "utf8", script, role, str(control), str(plan)]


def plan_file(plan: Plan) -> int:
    """The plan in a memfd, read from its start. Returns the descriptor."""
    fd = os.memfd_create("fumehood:plan", os.MFD_CLOEXEC)
    os.write(fd, msgspec.json.encode(plan))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class ZygoteProcess:
    """A started zygote. Every method belongs to the event loop's thread, which is the one that it dies with."""

    def __init__(self, on_report: Callable[[ZygoteReport, list[int]], None], on_lost: Callable[[str], None]) -> None:
        """`on_report(report, descriptors)`: all but ZygoteUp; the descriptors are the callee's. `on_lost(reason)`: it
        ended, after it was up and before `close`."""
        self._on_report = on_report
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._up: asyncio.Future[ZygoteUp] = self._loop.create_future()
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._control: socket.socket | None = None
        self._errors = -1
        self._stderr = ""

    @property
    def pid(self) -> int:
        """Its pid; 0 before start and after close."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self, python: str, plan: Plan, timeout: float, hash_seed: int | None = None) -> ZygoteUp:
        """Execute it and wait until it can fork. Raises MachineError: what is missing, with its remedy; closed then."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors, errors = os.pipe()
        plan_fd = plan_file(plan)
        try:
            self._process = subprocess.Popen(
                command(python, "zygote", theirs.fileno(), plan_fd, hash_seed),
                env=environment(hash_seed),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=(theirs.fileno(), plan_fd),
                start_new_session=True,
                cwd="/",
                umask=0o022,  # whatever ours is: workers, who are others, have to enter the folders that it makes
            )
        except OSError as error:
            self.close()
            raise MachineError(f"{python} cannot be started: {error}") from error
        finally:
            theirs.close()
            os.close(plan_fd)
            os.close(errors)
        try:
            self._pidfd = os.pidfd_open(self._process.pid)
        except OSError as error:
            self.close()
            raise MachineError(f"pidfd_open: {error.strerror}; it needs Linux 5.3, {_ALLOW}") from error
        self._control.setblocking(False)
        os.set_blocking(self._errors, False)
        self._loop.add_reader(self._control, self._hear)
        self._loop.add_reader(self._errors, self._overhear)
        self._loop.add_reader(self._pidfd, self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(self._up), timeout)
        except TimeoutError:
            self.close()
            raise MachineError(f"the zygote was not ready within {timeout:g} s. {self._stderr}".strip()) from None
        except BaseException:
            self.close()
            raise

    def fork(self, request: Fork, fds: tuple[int, int]) -> None:
        """Ask for one more worker. `fds` (its command socket, its stderr) stay the caller's. Raises MachineError."""
        if self._control is None:
            raise MachineError("there is no zygote: not started, closed, or lost")
        try:
            packets.send(self._control, pack(request), fds)
        except OSError as error:
            raise MachineError(f"the zygote takes no requests: {error}") from error

    def kill(self) -> None:
        """SIGKILL; every worker of its dies with it. Idempotent."""
        if self._process is not None:
            self._process.kill()

    async def ended(self) -> None:
        """Wait until it is dead."""
        if self._pidfd >= 0:
            await gone(self._pidfd)

    def close(self) -> None:
        """Kill it, reap it, give all descriptors back. Idempotent."""
        self.kill()
        if self._process is not None:
            self._process.wait()
            self._process = None
        for source in (self._control, self._errors, self._pidfd):
            if source is not None and source != -1:
                self._loop.remove_reader(source)
        if self._control is not None:
            self._control.close()
            self._control = None
        for fd in (self._errors, self._pidfd):
            if fd >= 0:
                os.close(fd)
        self._errors = self._pidfd = -1

    def _hear(self) -> None:
        for _ in range(REPORTS_A_TURN):
            if self._control is None:
                return  # a callback closed it
            try:
                data, fds = packets.receive(self._control, REPORT_LIMIT)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                data, fds = b"", []
            if not data:
                self._loop.remove_reader(self._control)
                self.kill()  # _ended follows
                return
            try:
                report = _unpack(data)
            except ProtocolError as error:
                self._stderr += str(error)
                self.kill()
                return
            if not isinstance(report, ZygoteUp):
                self._on_report(report, fds)
            elif not self._up.done():
                self._up.set_result(report)

    def _overhear(self) -> None:
        try:
            data = os.read(self._errors, 4096)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._errors)
        self._stderr = (self._stderr + data.decode(errors="replace"))[-STDERR_KEPT:]

    def _ended(self) -> None:
        assert self._process is not None  # the reader exists since it does
        self._loop.remove_reader(self._pidfd)
        status = self._process.wait()
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._errors, 65536):
                self._stderr += data.decode(errors="replace")
        reason = self._why(status)
        if self._up.done():
            self._on_lost(reason)
        else:
            self._up.set_exception(MachineError(reason))

    def _why(self, status: int) -> str:
        text = self._stderr.strip()
        if status == Exit.UNAVAILABLE and text:
            return text
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"the zygote {how}. {text}".strip()


async def gone(pidfd: int, timeout: float = 5.0) -> None:
    """Wait until a process has ended, or `timeout` seconds."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    copy = os.dup(pidfd)  # somebody else may be watching the original in this loop

    def end() -> None:
        loop.remove_reader(copy)
        ended.set_result(None)

    loop.add_reader(copy, end)
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended, timeout)
    finally:
        loop.remove_reader(copy)
        os.close(copy)

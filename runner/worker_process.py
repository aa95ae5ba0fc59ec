"""One worker, as the supervisor sees it: a pidfd, a command socket, a stderr pipe. All it says is hostile input.

Everything is bounded. A packet longer than the limit or that is no message ends the worker. Each turn of the loop reads
a few packets, and token buckets stop reading a worker that floods: it then blocks in its own write(). Packets *and*
bytes are counted: one packet may cost as much as a thousand, and what costs most grows with its length.
"""

import asyncio
import contextlib
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ..shared.errors import ProtocolError
from ..shared.messages import NANOSECONDS, SOCKET_LIMIT, Confined, Report, pack, unpacker
from ..shared.policy import Limits
from .outbox import AGAIN, Outbox
from .rate import TokenBucket

PACKETS_A_TURN: Final = 16
"""Packets read from one worker before the others get their turn. More: a burst delays all others; fewer: more turns."""
BYTES_A_TURN: Final = SOCKET_LIMIT
"""Likewise; the packet that crosses it is the last. One of the longest takes some 3 ms, whatever is in it."""
PACKETS_A_SECOND: Final = 300.0
"""On top of the mod's `log_lines`. Ten times the faults and answers that an honest worker sends; a flood of short ones
takes 2 to 4 % of a core."""
BYTES_A_SECOND: Final = 512 * 1024.0
"""On top of the mod's `log_bytes`. A flood of the longest packets takes 2 to 5 % of a core. Fewer: what an honest
worker says behind a full socket (which holds ten packets), a hand-over say, comes later; more: a flood costs more."""
LEAST_PAUSE: Final = 0.05
"""Seconds that a flooding worker is not read, at least: stopping and starting costs more than reading a packet does."""
LISTEN_NS: Final = 150_000
"""So long its voice is polled for a word that is due. About twice what a virtual machine takes to wake a sleeper on
another CPU, as with the ring's. Longer: more of a core is spent on one that takes its time."""
STDERR_A_SECOND: Final = 64 * 1024.0
STDERR_KEPT: Final = 64 * 1024
"""Characters of a worker's stderr kept for a post-mortem, the last ones."""
STATUS_DEADLINE: Final = 1.0
"""Seconds between a worker's death and the zygote's word on how, after which the status stays unknown."""
UNKNOWN_STATUS: Final = -256
"""An exit status nobody told us: no signal has that number."""
_QUIET: Final = 0.03
"""Seconds without a further line after which a stack dump is taken to be whole. It has no end mark."""
_BACKLOG: Final = 64

_unpack = unpacker(Report, "a worker")


def durations(confined: Confined) -> dict[str, float]:
    """Microseconds by step, of those it names. Empty: it names none, or its times are not theirs."""
    if len(confined.times) != NANOSECONDS.size * (len(confined.steps) + 1):
        return {}
    times = [time for (time,) in NANOSECONDS.iter_unpack(confined.times)]
    took: dict[str, float] = {}
    for step, began, ended in zip(confined.steps, times, times[1:], strict=False):
        took[step] = took.get(step, 0.0) + (ended - began) / 1000
    return took


class WorkerProcess:
    """A forked worker. Made by the nursery alone; one event loop, one thread."""

    def __init__(self, serial: int, commands: socket.socket, errors: int) -> None:
        self.serial = serial
        self.pid = 0
        """Its pid as this process sees it; 0 until it is forked."""
        self.pidfd = -1
        self.steps: dict[str, float] = {}
        """Microseconds per step of its confinement."""
        self.limits: Limits | None = None
        """What it is held to."""
        self.misbehaved = ""
        """Why it was killed for what it said; empty: it was not."""
        self.crossed = ""
        """Name of the limit that this was for, if it was for one."""
        self.stderr = ""
        """The last characters it wrote to stderr, raw: escape before showing."""
        self.cpu = 0.0
        """CPU seconds of its whole life; 0 until it is reaped."""
        self.on_stderr: Callable[[str], None] | None = None
        self.on_exit: Callable[[int], None] | None = None
        self.on_dead: Callable[[], None] | None = None
        """Called the moment it is known to be dead; `on_exit`, which says how, may come a little later."""
        self.on_late: Callable[[], None] | None = None
        """Called when a command stands in its socket that could not be sent when `send` was asked to."""
        self._on_report: Callable[[Report], None] | None = None
        self._backlog: list[Report] = []
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self.confined: asyncio.Future[None] = self._loop.create_future()
        """Done when its Confined has come and its pidfd is here, in either order; cancelled when it died before."""
        self._commands = commands
        self._outbox = Outbox(commands)
        self._errors = errors
        self._packets = TokenBucket(PACKETS_A_SECOND, PACKETS_A_SECOND)
        self._bytes = TokenBucket(BYTES_A_SECOND, BYTES_A_SECOND)
        self._letters = TokenBucket(STDERR_A_SECOND, STDERR_A_SECOND)
        self._status: int | None = None
        self._dead = False
        self._doomed = False
        self._dump: list[str] | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        commands.setblocking(False)
        os.set_blocking(errors, False)
        self._loop.add_reader(commands, self._hear)
        self._loop.add_reader(errors, self._overhear)

    def __repr__(self) -> str:
        return f"<WorkerProcess {self.serial} pid={self.pid}>"

    # What the owner uses

    @property
    def on_report(self) -> Callable[[Report], None] | None:
        """Called with each decoded report, never after `on_exit`. What came before it was set is delivered then."""
        return self._on_report

    @on_report.setter
    def on_report(self, callback: Callable[[Report], None] | None) -> None:
        self._on_report = callback
        while callback is not None and self._backlog:
            callback(self._backlog.pop(0))

    @property
    def alive(self) -> bool:
        return not self._dead

    @property
    def ended(self) -> bool:
        """Whether the kernel says so, which `on_exit` may not have yet."""
        return self._dead or (self.pidfd >= 0 and _ended(self.pidfd))

    def send(self, message: Any, fds: tuple[int, ...] = ()) -> None:
        """Send one command and descriptors, which stay the caller's. Never raises: who cannot take it dies."""
        if self._dead:
            return
        waited = self._outbox.waiting
        try:
            self._outbox.send(pack(message), fds, self._loop.time())
        except BlockingIOError:
            self.condemn("it does not read its commands")
        except OSError:
            self.kill()  # it is dead or dying: on_exit tells
        if self._outbox.waiting and not waited:
            self._later(AGAIN, self._send_on)

    def _send_on(self) -> None:
        try:
            sent = self._outbox.go_on(self._loop.time())
        except BlockingIOError:
            self.condemn("it does not read its commands")
        except OSError:
            self.kill()
        else:
            if sent and self.on_late is not None:
                self.on_late()
            if self._outbox.waiting:
                self._later(AGAIN, self._send_on)

    def unread_for(self, now: float) -> float:
        """Seconds (monotonic, as `now`) for which commands may have lain unread in its socket; 0.0: none do."""
        return 0.0 if self._dead else self._outbox.unread_for(now)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """It does nothing meanwhile, once it has ended the system calls it is in: SIGSTOP, which nothing blocks."""
        if self.pidfd < 0:  # just born, and what it does is our own code's
            yield
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, now or as soon as it exists. Idempotent; `on_exit` follows."""
        self._doomed = True
        if self.pidfd >= 0 and not self._dead:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def condemn(self, reason: str, limit: str = "") -> None:
        """Kill it for something it did; `misbehaved` keeps the first reason, `crossed` the limit that it was for."""
        if not self.misbehaved:
            self.misbehaved, self.crossed = reason, limit
        self.kill()

    async def stack(self, timeout: float) -> str:
        """Ask a hanging worker where it is. Returns faulthandler's dump, raw; "" when none came in `timeout` seconds.

        Best effort: machine code that blocks the signal answers nothing.
        """
        if self._dead or self._dump is not None:
            return ""
        self._dump = []
        deadline = self._loop.time() + timeout
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGUSR1)
            seen = 0
            while self._loop.time() < deadline and not self._dead:
                await asyncio.sleep(_QUIET)
                if seen == len(self._dump) > 0:
                    break
                seen = len(self._dump)
            return "".join(self._dump)
        except ProcessLookupError:
            return ""
        finally:
            self._dump = None

    def hold_to(self, limits: Limits) -> None:
        """Judge it by these limits from now on: how fast it is read depends on what it may log."""
        self.limits = limits
        packets_rate, bytes_rate = PACKETS_A_SECOND + limits.log_lines, BYTES_A_SECOND + limits.log_bytes
        self._packets, self._bytes = TokenBucket(packets_rate, packets_rate), TokenBucket(bytes_rate, bytes_rate)

    def lower(self, limits: Limits, base: int) -> bool:
        """Set this mod's limits from outside, where they are below those it was forked with. `base`: see ZygoteUp.

        False: the kernel does not let this process (root without CAP_SYS_RESOURCE, say, over another uid).
        """
        wanted = {
            resource.RLIMIT_AS: base + limits.memory,
            resource.RLIMIT_NOFILE: limits.files,
            resource.RLIMIT_FSIZE: limits.file_size,
            resource.RLIMIT_CPU: limits.cpu_total,
        }
        self.hold_to(limits)
        if self.ended:
            return True  # on_exit is about to say so
        try:
            for which, value in wanted.items():
                soft, hard = resource.prlimit(self.pid, which)
                if value < soft or value < hard:
                    resource.prlimit(self.pid, which, (min(soft, value), min(hard, value)))
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return True

    # What the nursery tells

    def forked(self, pidfd: int) -> None:
        """The zygote forked it."""
        self.pidfd = pidfd
        self._loop.add_reader(pidfd, self._died)
        try:
            self.pid = host_pid(pidfd)
        except OSError:  # no descriptor is left: one without a number cannot be watched
            self.kill()
            return
        with contextlib.suppress(OSError):  # a shield for the game, not a wall: where /proc is odd, go without
            Path(f"/proc/{self.pid}/oom_score_adj").write_text("1000")
        self._settle()
        if self._doomed:
            self.kill()

    def _settle(self) -> None:
        if self.steps and self.pidfd >= 0 and not (self._doomed or self.confined.done()):
            self.confined.set_result(None)

    def reaped(self, status: int, cpu: float) -> None:
        """The zygote reaped it. `cpu`: seconds of its whole life."""
        self._status, self.cpu = status, cpu
        if self._dead:
            self._finish(status)

    def orphan(self) -> None:
        """The zygote is gone: kill it, and expect no status."""
        self._status = UNKNOWN_STATUS if self._status is None else self._status
        self.kill()
        if self.pidfd < 0 or self._dead:
            self.abandon()

    def abandon(self) -> None:
        """It was never forked, or is known to be dead: end the matter now."""
        self._dead = True
        self._finish(UNKNOWN_STATUS if self._status is None else self._status)

    # Its voice

    def listen(self) -> None:
        """Poll for what it says, at most LISTEN_NS, and take it: sleeping until it speaks would cost more than that."""
        if self._dead:  # its socket may be closed
            return
        poll = select.poll()
        poll.register(self._commands, select.POLLIN)
        until = time.monotonic_ns() + LISTEN_NS
        while time.monotonic_ns() < until:
            if poll.poll(0):
                self._hear()
                return

    def _hear(self) -> None:
        heard = 0
        for _ in range(PACKETS_A_TURN):
            if heard >= BYTES_A_TURN:
                return
            try:
                data = self._commands.recv(SOCKET_LIMIT + 1)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._loop.remove_reader(self._commands)
                self._later(STATUS_DEADLINE, lambda: self.condemn("it closed its command socket"))
                return
            heard += len(data)
            self._take(data)
            now = self._loop.time()
            if pause := max(self._packets.spend(now), self._bytes.spend(now, len(data))):
                self._loop.remove_reader(self._commands)
                self._later(max(pause, LEAST_PAUSE), lambda: self._loop.add_reader(self._commands, self._hear))
                return

    def _take(self, data: bytes) -> None:
        if self.misbehaved:
            return
        if len(data) > SOCKET_LIMIT:
            self.condemn(f"it sent a packet longer than {SOCKET_LIMIT} bytes")
            return
        try:
            report = _unpack(data)
        except ProtocolError as error:
            self.condemn(str(error))
            return
        if not self.steps:
            if isinstance(report, Confined) and (steps := durations(report)):
                self.steps = steps
                self._settle()
            else:
                self.condemn("it spoke before it was confined")
        elif isinstance(report, Confined):
            self.condemn("it says twice that it is confined")
        elif self._on_report is not None:
            self._on_report(report)
        elif len(self._backlog) < _BACKLOG:
            self._backlog.append(report)
        else:
            self.condemn("it talks although nobody assigned it")

    def _overhear(self) -> None:
        try:
            data = os.read(self._errors, 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._errors)
            return
        self._note(data)
        if pause := self._letters.spend(self._loop.time(), len(data)):
            self._loop.remove_reader(self._errors)
            self._later(max(pause, LEAST_PAUSE), lambda: self._loop.add_reader(self._errors, self._overhear))

    def _note(self, data: bytes) -> None:
        text = data.decode(errors="replace")
        self.stderr = (self.stderr + text)[-STDERR_KEPT:]
        if self._dump is not None:
            self._dump.append(text)
        elif self.on_stderr is not None:
            self.on_stderr(text)

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        def run() -> None:
            self._timers.discard(handle)
            if not self._dead:
                action()

        handle = self._loop.call_later(seconds, run)
        self._timers.add(handle)

    # Its end

    def _died(self) -> None:
        self._loop.remove_reader(self.pidfd)
        self._drain()
        self._dead = True
        if self.on_dead is not None:
            self.on_dead()
        if self._status is not None:
            self._finish(self._status)
        else:
            self._timers.add(self._loop.call_later(STATUS_DEADLINE, self._finish, UNKNOWN_STATUS))

    def _drain(self) -> None:
        """Read what it said last; the kernel's buffers bound it."""
        with contextlib.suppress(OSError):
            while data := self._commands.recv(SOCKET_LIMIT + 1):
                self._take(data)
        with contextlib.suppress(OSError):
            while data := os.read(self._errors, 65536):
                self._note(data)

    def _finish(self, status: int) -> None:
        if self.exited.done():
            return
        self.close()
        self.exited.set_result(status)
        if not self.confined.done():
            self.confined.cancel()
        if self.on_exit is not None:
            self.on_exit(status)
        # They hold its seat, which holds it, a mod's files and states: a cycle of megabytes that Python counts as few.
        self._on_report = self.on_stderr = self.on_exit = self.on_dead = self.on_late = None

    def close(self) -> None:
        """Kill it if it lives, and give the descriptors back. Idempotent."""
        self.kill()
        self._dead = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._errors < 0:
            return
        self._loop.remove_reader(self._commands)
        self._loop.remove_reader(self._errors)
        self._outbox.close()
        self._commands.close()
        os.close(self._errors)
        if self.pidfd >= 0:
            self._loop.remove_reader(self.pidfd)
            os.close(self.pidfd)
        self._errors = self.pidfd = -1


def host_pid(pidfd: int) -> int:
    """The pid behind a pidfd, in this process's own pid namespace. 0 or -1: it is gone."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    return 0


def _ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))

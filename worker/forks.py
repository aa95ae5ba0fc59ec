"""The zygote's loop: fork when asked, reap when told. One thread, one poll, nothing that blocks on one worker."""

import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from ..shared import packets
from ..shared.errors import MachineError, ProtocolError
from ..shared.messages import Exited, Fork, Forked, ForkFailed, ZygoteReport, pack, unpacker
from ..shared.policy import Confinement, Limits
from ..shared.removal import go_on, removal
from .bootstrap import Prepared, Script, become_worker, write_script
from .confine import LayerMissing, calls, fds, landlock, namespaces, root, syscalls

_LIMIT: Final = 16 * 1024
"""Longest packet from the supervisor, bytes: a Fork with every limit is under 1 KiB."""
TIDYING: Final = 0.001
"""Seconds spent on dead workers' folders between two looks at the control socket: 10 to 30 entries. More: a fork waits
longer behind a mod that has left a large tree; less: the poll itself becomes most of the work."""
CLEARING: Final = 30.0
"""Seconds that the end may take to clear the workers' folders away. One that is full takes about 0.1 s."""

_unpack = unpacker(Fork, "the supervisor")


class Forks:
    """The zygote's side of its control socket, and the workers it has to reap."""

    def __init__(self, control: socket.socket, prepared: Prepared, scratch: str) -> None:
        """`scratch`: in the reduced mode the folder for the workers' folders."""
        self._control = control
        self._prepared = prepared
        self._scratch = scratch
        self._full = prepared.confinement is Confinement.FULL
        self._new = syscalls.CLONE_NEWPID if self._full else 0
        self._last: tuple[dict[str, Any], Script] | None = None
        self._serials: dict[int, tuple[int, int]] = {}  # pidfd → serial, pid
        self._outbox: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._removals: deque[Iterator[None]] = deque()
        self._poll = select.poll()

    def serve(self) -> None:
        """Run until the supervisor closes the control socket."""
        control = self._control.fileno()
        self._poll.register(control, select.POLLIN)
        while True:
            for fd, _ in self._poll.poll(0 if self._removals else None):
                if fd != control:
                    self._reap(fd)
                elif not self._read():
                    return
            self._flush()
            self._tidy()

    def _read(self) -> bool:
        """Take one request. False: the supervisor is gone."""
        try:
            data, fds = packets.receive(self._control, _LIMIT)
        except BlockingIOError:
            return True  # woken to write
        if not data:
            return False
        request = _unpack(data)
        try:
            if len(fds) != 2:
                raise ProtocolError(f"a Fork came with {len(fds)} descriptors instead of 2")
            self._fork(request, *fds)
        except (OSError, MachineError, ProtocolError, msgspec.ValidationError) as error:
            self._send(ForkFailed(request.serial, str(error)))
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def rehearse(self) -> None:
        """Fork once for nothing, so that a kernel that refuses it is named before the zygote says that it is up."""
        try:
            child = calls.fork(self._new)
        except OSError as error:
            raise LayerMissing("pid namespace", error.strerror, namespaces.why_not(error)) from error
        if child.pid == 0:
            os._exit(0)
        os.close(child.pidfd)
        os.waitpid(child.pid, 0)

    def _fork(self, request: Fork, commands: int, errors: int) -> None:
        """Fork one worker. In the child this never returns."""
        began = time.monotonic_ns()
        scratch = root.SCRATCH if self._full else self._own_folder(request.serial)
        try:
            script = self._script(request.limits, scratch)
            script.begin(began)
            fds.hold(errors, fds.Held.ERRORS)
            fds.hold(commands, fds.Held.COMMANDS)
            channel, word = self._control.fileno(), pack(Forked(request.serial))
            child = calls.fork(
                self._new,
                script.calls,
                script.report,
                errors=fds.Held.ERRORS,
                channel=-1 if self._outbox else channel,  # not before what has not been sent yet
                word=word,
            )
            if child.pid == 0:
                become_worker(self._prepared, scratch, self._control)
        except BaseException:
            if not self._full:
                self._removals.append(removal(scratch))
            raise
        finally:
            fds.let_go(fds.Held.ERRORS, fds.Held.COMMANDS)
        self._serials[child.pidfd] = request.serial, child.pid
        self._poll.register(child.pidfd, select.POLLIN)
        if not child.told:
            self._send(Forked(request.serial), (os.dup(child.pidfd),))

    def _script(self, limits: dict[str, Any], scratch: str) -> Script:
        """The list for a worker with these limits: in the full mode mostly that of the one before."""
        if self._full and self._last is not None and self._last[0] == limits:
            return self._last[1]
        if not self._full:  # there each worker's scratch differs
            fds.give(landlock.build(self._prepared.readable, [scratch]), fds.Held.RULESET)
        script = write_script(self._prepared, msgspec.convert(limits, Limits), scratch)
        self._last = (limits, script) if self._full else None
        return script

    def clear_away(self) -> None:
        """The supervisor is gone: kill what is left, and remove the workers' folders."""
        for pidfd in self._serials:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        if not self._full:
            go_on(removal(self._scratch), CLEARING)

    def _own_folder(self, serial: int) -> str:
        path = Path(self._scratch, str(serial))
        path.mkdir(0o700)
        return str(path)

    def _reap(self, pidfd: int) -> None:
        serial, pid = self._serials[pidfd]
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if not ended:
            return
        del self._serials[pidfd]
        self._poll.unregister(pidfd)
        self._send(Exited(serial, os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime))
        os.close(pidfd)
        if not self._full:
            self._removals.append(removal(f"{self._scratch}/{serial}"))

    def _tidy(self) -> None:
        """Go on with removing what dead workers have left: a little, since others wait to be forked and reaped."""
        if self._removals and not go_on(self._removals[0], TIDYING):
            self._removals.popleft()

    def _send(self, message: ZygoteReport, fds: tuple[int, ...] = ()) -> None:
        """Owns `fds`: closed once they are sent."""
        self._outbox.append((pack(message), fds))
        self._flush()

    def _flush(self) -> None:
        """Send what fits; ask poll() for room when something is left. The supervisor may be busy, never wait for it."""
        while self._outbox:
            data, fds = self._outbox[0]
            try:
                packets.send(self._control, data, fds)
            except BlockingIOError:
                break
            self._outbox.popleft()
            for fd in fds:
                os.close(fd)
        self._poll.modify(self._control.fileno(), select.POLLIN | (select.POLLOUT if self._outbox else 0))

"""The worker's end of its command socket: commands with their descriptors come in, reports go out.

Nothing here waits for the supervisor to read, except while there is nothing else to do: a report that must arrive is
kept until there is room, one that may be lost is dropped and counted by who sent it. After confinement a worker can
write, receive and poll, and not send: `poll` says that a packet fits, then `write` cannot block.
"""

import errno
import os
import select
import socket
from collections import deque
from typing import Final, NoReturn

from ..shared import packets
from ..shared.errors import ProtocolError
from ..shared.exits import Exit
from ..shared.messages import SOCKET_LIMIT, Command, Report, pack, unpacker

_unpack_command: Final = unpacker(Command, "the supervisor")


class Link:
    """One packet is one message, both ways. One thread only."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._fd = sock.fileno()
        self.kept: deque[bytes] = deque()
        """Reports that the socket had no room for, or that are held back, oldest first."""
        self.early: deque[tuple[Command, list[int]]] = deque()
        """Commands that came while something else was looked for: the next to be obeyed."""
        self._out, self._both = select.poll(), select.poll()
        self._out.register(self._fd, select.POLLOUT)
        self._both.register(self._fd, select.POLLIN | select.POLLOUT)

    def tell(self, report: Report) -> None:
        """Send a report that must arrive: now, or with a later `flush`. Never blocks."""
        self.kept.append(pack(report))
        self.flush()

    def hold(self, report: Report) -> None:
        """Keep a report that must arrive until the next `flush`, or until something else is to be said."""
        self.kept.append(pack(report))

    def offer(self, data: bytes) -> bool:
        """Send a packed report that may be lost. False: there was no room, and it is for the caller to count it."""
        self.flush()
        return not self.kept and self._write(data)

    def flush(self) -> None:
        """Send what is kept, as far as there is room."""
        while self.kept and self._write(self.kept[0]):
            self.kept.popleft()

    def receive(self, *, wait: bool, fresh: bool = False) -> tuple[Command, list[int]] | None:
        """Return the next command and its descriptors; None when there is none and not `wait`. `fresh`: of those that
        are not `early`.

        Ends the process when the supervisor is gone (WORKER_PEER_LOST) or what it sent is no command.
        """
        if self.early and not fresh:
            return self.early.popleft()
        while wait and self.kept:
            happened = self._both.poll()[0][1]
            if happened & ~select.POLLOUT:
                break
            self.flush()
        try:
            data, fds = packets.receive(self._sock, SOCKET_LIMIT, wait=wait)
        except BlockingIOError:
            return None
        except OSError:
            self._lost()
        except ValueError as error:
            if _used_up(self._fd):
                os._exit(Exit.WORKER_FILES)
            protocol_error(str(error))
        if not data:
            self._lost()
        try:
            return _unpack_command(data), fds
        except ProtocolError as error:
            protocol_error(str(error))

    def _write(self, data: bytes) -> bool:
        if not self._out.poll(0):
            return False
        try:
            os.write(self._fd, data)
        except BlockingIOError:
            return False
        except OSError:
            self._lost()
        return True

    def _lost(self) -> NoReturn:
        os._exit(Exit.WORKER_PEER_LOST)


def _used_up(fd: int) -> bool:
    """Whether this process has no room for one more descriptor: then those of a packet are lost on their way."""
    try:
        os.close(os.dup(fd))
    except OSError as error:
        return error.errno == errno.EMFILE
    return False


def protocol_error(text: str) -> NoReturn:
    """End the worker: it was sent what it cannot read, a fault of ours. The reason goes to the error pipe."""
    try:
        os.write(2, f"fumehood worker: {text}\n".encode(errors="backslashreplace"))
    finally:
        os._exit(Exit.WORKER_PROTOCOL)

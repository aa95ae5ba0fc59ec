"""What the supervisor sends to one worker: its end of the command socket, whether what it sent is read, and what waits.

Descriptors that were sent and not received are counted by the kernel for each user. A sender that has neither
CAP_SYS_RESOURCE nor CAP_SYS_ADMIN may send none while they are more than its own RLIMIT_NOFILE: ETOOMANYREFS (Linux,
net/unix, too_many_unix_fds). So where all are of one user, workers that leave theirs unread could keep others from
theirs.
"""

import errno
import fcntl
import os
import socket
import struct
import termios
from collections import deque
from typing import Final

from ..shared import packets

MOST_UNREAD: Final = 128
"""Descriptors that may lie in a worker's socket. An honest one finds up to 38 when it begins. Fewer: one that is busy
while the game publishes much is ended; more: fewer of those who do not read use up what the user may have under way."""
AGAIN: Final = 0.02
"""Seconds after which what could not be passed on is tried again."""
HELD_UP: Final = 60.0
"""Seconds for which it is: longer than it takes to see who does not read."""


class Outbox:
    """One event loop. `sock` stays the caller's."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unread = 0
        """Descriptors sent since it was last seen to have read everything."""
        self._since: float | None = None
        """When the first of what lies there was sent, at the earliest."""
        self._waiting: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._held_up = 0.0

    def send(self, data: bytes, fds: tuple[int, ...], now: float) -> None:
        """Send one packet with descriptors, which stay the caller's; or keep it, until `go_on` can. Never blocks.

        Raises BlockingIOError (it does not read), OSError (it is gone, or descriptors are used up).
        """
        self.unread_for(now)
        if self._unread + sum(len(kept) for _, kept in self._waiting) + len(fds) > MOST_UNREAD:
            raise BlockingIOError(errno.EAGAIN, "too many descriptors lie unread")
        if self._waiting or not self._sent(data, fds, now):
            if not self._waiting:
                self._held_up = now
            self._waiting.append((data, _copies(fds)))

    @property
    def waiting(self) -> bool:
        """Whether something could not be passed on yet."""
        return bool(self._waiting)

    def go_on(self, now: float) -> bool:
        """Try again what waits, in its order. Returns whether any of it was sent.

        Raises as `send`, and TimeoutError after HELD_UP seconds.
        """
        before = len(self._waiting)
        while self._waiting and self._sent(*self._waiting[0], now):
            for fd in self._waiting.popleft()[1]:
                os.close(fd)
            self._held_up = now
        if self._waiting and now - self._held_up > HELD_UP:
            raise TimeoutError("descriptors cannot be passed on")
        return len(self._waiting) < before

    def unread_for(self, now: float) -> float:
        """Seconds for which something may have lain there; 0.0: it has read everything. `now`: as given to `send`."""
        if self._since is not None and not _outstanding(self._sock):
            self._since, self._unread = None, 0
        return 0.0 if self._since is None else max(now - self._since, 1e-9)

    def close(self) -> None:
        """Let go of what waits. Idempotent."""
        for _, fds in self._waiting:
            for fd in fds:
                os.close(fd)
        self._waiting.clear()

    def _sent(self, data: bytes, fds: tuple[int, ...], now: float) -> bool:
        try:
            packets.send(self._sock, data, fds)
        except OSError as error:
            if error.errno != errno.ETOOMANYREFS:
                raise
            return False
        self._unread += len(fds)
        self._since = now if self._since is None else self._since
        return True


def _copies(fds: tuple[int, ...]) -> tuple[int, ...]:
    copies: list[int] = []
    try:
        for fd in fds:
            copies.append(os.dup(fd))
    except OSError:
        for fd in copies:
            os.close(fd)
        raise
    return tuple(copies)


def _outstanding(sock: socket.socket) -> int:
    """Bytes of memory of what was sent and not received (unix(7), SIOCOUTQ). 0 once the socket is closed."""
    if sock.fileno() < 0:
        return 0
    (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
    return int(count)

"""Where a folder's supervisor listens: ``$XDG_RUNTIME_DIR/fumehood-UID/<hash of the folder>/control``.

The folder is 0700 and ours; its descriptor carries the lock, so that nothing has to be cleaned up after a kill -9 but
the socket file, which the next supervisor replaces while it holds the lock.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import socket
import stat
import struct
import tempfile
import time
from pathlib import Path
from typing import Final

from ..shared.errors import AlreadyAttached, ConfigError

NAME: Final = "control"
LONGEST: Final = 107
"""Bytes that the kernel takes as a socket's path."""
_ELSEWHERE: Final = "set XDG_RUNTIME_DIR to a folder of yours with a short name"


def folder_of(root: Path) -> Path:
    """The private folder for the supervisor of `root`. Pure but for the environment: makes nothing."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    digest = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return Path(base) / f"fumehood-{os.getuid()}" / digest


def of(target: Path) -> Path:
    """The socket's path for a mods folder; a path that is itself a socket stays as it is."""
    try:
        if stat.S_ISSOCK(target.stat().st_mode):
            return target
    except OSError:
        pass  # not there: then it is a folder nobody serves, which the caller finds out
    return folder_of(target) / NAME


def claim(root: Path) -> tuple[Path, int]:
    """Make the folder, lock it, remove a dead socket. Returns the socket's path and the lock's descriptor.

    Raises AlreadyAttached when another supervisor serves `root`, ConfigError when the folder is not ours alone, or no
    socket can be there.
    """
    folder = folder_of(root)
    path = folder / NAME
    if len(os.fsencode(path)) > LONGEST:
        raise ConfigError(f"{path}: is longer than the {LONGEST} bytes of a socket's path; {_ELSEWHERE}")
    os.close(_private(folder.parent))
    lock = _private(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        os.close(lock)
        raise AlreadyAttached(f"another supervisor already serves {root}") from None
    except OSError as error:
        os.close(lock)
        raise ConfigError(f"{path}: cannot be replaced by the control socket: {error.strerror}; remove it") from None
    return path, lock


def _private(folder: Path) -> int:
    """A descriptor of a folder that is ours alone, made if it is not there: whatever the umask is, and no link of
    somebody else's. Raises ConfigError."""
    before = os.umask(0o077)  # this process has one thread yet
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(0o700)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made for the control socket: {error.strerror}; {_ELSEWHERE}") from None
    finally:
        os.umask(before)
    fd, found = -1, "it is a link, or no folder"
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        status = os.fstat(fd)
        mode = stat.S_IMODE(status.st_mode) & 0o777
        if status.st_uid == os.getuid() and mode == 0o700:
            return fd
        found = f"it has mode {mode:04o}" if status.st_uid == os.getuid() else f"it is of user {status.st_uid}"
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            found = f"it cannot be entered: {error.strerror}"
    if fd >= 0:
        os.close(fd)
    raise ConfigError(
        f"{folder}: has to be a folder of yours that nobody else may enter (mode 0700): {found}; "
        f"remove it, or {_ELSEWHERE}"
    )


def knock(sock: socket.socket, path: str, deadline: float) -> None:
    """In the game: connect, once the listener's queue has room for one more. `deadline`: monotonic seconds, a day from
    now at the most. Leaves `sock` blocking. Raises OSError: nobody listens there, or no room came (EAGAIN)."""
    sock.setblocking(True)  # the kernel wakes a connect() that blocks when there is room; no poll would
    while not _connected(sock):  # a signal that the game handles ends the wait, and Python takes that for success
        left = max(1, int(min(deadline - time.monotonic(), 86_400.0) * 1e6))  # 0 would be for ever
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", *divmod(left, 1_000_000)))
        sock.connect(path)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 0))


def _connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return False
    return True


def peer(sock: socket.socket) -> int:
    """The uid of who is at the other end: the kernel's word. Of a listener's, who listened."""
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


def check_supervisor(sock: socket.socket, path: str) -> None:
    """In the game, once connected: what it will map and believe has to be of its own user's, or root's. Raises
    ConfigError: somebody else listens there, in a folder that was theirs first."""
    uid = peer(sock)
    if uid not in (os.getuid(), 0):
        raise ConfigError(f"{path}: who listens there is user {uid}, and not you; {_ELSEWHERE}, and start a supervisor")


def abandon(path: Path, lock: int) -> None:
    """Remove the socket and its folder, and unlock."""
    path.unlink(missing_ok=True)
    for part in (path.parent, path.parent.parent):
        try:
            part.rmdir()
        except OSError:
            break  # other supervisors of this user have their folders beside ours
    os.close(lock)

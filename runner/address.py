"""Where a folder's supervisor listens: ``$XDG_RUNTIME_DIR/fumehood-UID/<hash of the folder>/control``.

The folder is 0700 and ours; its descriptor carries the lock, so that nothing has to be cleaned up after a kill -9 but
the socket file, which the next supervisor replaces while it holds the lock.
"""

import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from ..shared.errors import AlreadyAttached, ConfigError

NAME: Final = "control"


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

    Raises AlreadyAttached when another supervisor serves `root`, ConfigError when the folder is not ours alone.
    """
    folder = folder_of(root)
    for part in (folder.parent, folder):
        try:
            part.mkdir(mode=0o700, exist_ok=True)
            status = part.lstat()
        except OSError as error:
            raise ConfigError(f"{part}: cannot be made for the control socket: {error.strerror}") from None
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise ConfigError(f"{part}: has to be a folder of yours that nobody else may enter (mode 0700)")
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise AlreadyAttached(f"another supervisor already serves {root}") from None
    path = folder / NAME
    path.unlink(missing_ok=True)
    return path, lock


def abandon(path: Path, lock: int) -> None:
    """Remove the socket and its folder, and unlock."""
    path.unlink(missing_ok=True)
    for part in (path.parent, path.parent.parent):
        try:
            part.rmdir()
        except OSError:
            break  # other supervisors of this user have their folders beside ours
    os.close(lock)

"""A folder on the host's disk that is somebody's for as long as a process holds its lock, and rubbish after that.

SIGKILL to all of ours at once leaves nobody to clear the workers' folders away in the reduced mode. The kernel lets go
of a flock with the last descriptor, however its process ended: so a later start can tell, in another pid namespace too,
where a pid in the folder's name would say nothing.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from typing import Final

from .removal import removal

PREFIX: Final = "fumehood-scratch-"
_TRIES: Final = 10
"""So often it may be swept before it is held. Fewer: starts at the same time may fail; more: nothing is gained."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def name_in(place: str) -> str:
    """A path for a folder that nobody has yet, in the folder `place`."""
    return f"{place}/{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"


def make(path: str) -> int:
    """Make the folder and hold it, until the descriptor that is returned is closed here and in all forks.

    It gets its name when it is held. What a sweep takes before that is made once more. Raises OSError; not where the
    file system has no locks on folders, as some NFS: there it can be left behind.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            return _make(path)
    return _make(path)


def _make(path: str) -> int:
    """Raises BlockingIOError or FileNotFoundError if a sweep has it, or had it, before it was held."""
    under_way = f"{path}.{secrets.token_hex(4)}"
    os.mkdir(under_way, 0o700)  # noqa: PTH102 (a str all along)
    fd = -1
    try:
        fd = os.open(under_way, _FOLDER)
        _hold(fd)
        os.rename(under_way, path)  # noqa: PTH104 (the same)
    except BaseException:
        if fd >= 0:
            os.close(fd)
        with contextlib.suppress(OSError):
            os.rmdir(under_way)  # noqa: PTH106 (the same)
        raise
    return fd


def _hold(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # no locks here: no sweep can hold it either, and none removes what it cannot hold


def sweep(place: str) -> Iterator[None]:
    """Remove the folders in `place` that nobody holds any more; pauses after each entry. Raises nothing.

    An ordinary user's own are taken; root, whose workers run as somebody else, takes everybody's.
    """
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            yield
            if entry.name.startswith(PREFIX):
                yield from _remove_if_free(entry.path)


def _remove_if_free(path: str) -> Iterator[None]:
    try:
        fd = os.open(path, _FOLDER)
    except OSError:
        return  # no folder, another user's, or gone
    try:
        if os.geteuid() in (0, os.fstat(fd).st_uid):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield from removal(path)
    except OSError:
        return  # somebody holds it, or locks are not to be had: then it cannot be told
    finally:
        os.close(fd)

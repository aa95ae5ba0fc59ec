"""Takes a hostile tree away: as deep, as wide and as locked up as whoever made it pleased.

::

    enter ──▶ unlink what is no folder ──▶ for each folder: enter … leave through "..", remove it

No recursion and one folder open at a time, since folders nest deeper than Python's stack, RLIMIT_NOFILE and PATH_MAX
go; one entry a turn, so that a loop can do something else in between. No link is followed: a folder is opened for what
it is, and its permissions are restored through that descriptor, never by its name. On the way back up ".." must be the
folder we came from: in a tree that is moved about meanwhile it might be any.

Rejected: shutil.rmtree recurses (a RecursionError at 1000 levels is no OSError, `ignore_errors` lets it pass) and stops
at a folder of mode 0. Moving every folder found to the top first, to be emptied there, needs no way back up, but room
for new entries: on a full disk it removes nothing.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

_ENTER: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OWN: Final = 0o700
"""What an ordinary user needs of a folder to list and empty it."""


class _Level(NamedTuple):
    """A folder on the way from the top to where we are."""

    name: str
    """In the folder above."""
    identity: tuple[int, int]
    folders: list[str]
    """Those in it that are still to be emptied."""


def removal(path: str) -> Iterator[None]:
    """Remove the folder `path` with everything below; pauses after each entry. Raises nothing: what cannot go, stays.

    Whoever could write to the tree must be gone, else some of it may stay (nothing outside it is touched).
    """
    try:
        here = _enter(path)
    except OSError:
        return
    try:
        levels = [_Level("", _identity(here), [])]
        yield from _sweep(here, levels[0].folders)
        while levels[-1].folders or len(levels) > 1:
            if levels[-1].folders:
                name = levels[-1].folders.pop()
                try:
                    below = _enter(name, here)
                except OSError:  # another user's, or gone: on with the next
                    continue
                os.close(here)
                here = below
                levels.append(_Level(name, _identity(here), []))
                yield from _sweep(here, levels[-1].folders)
            else:
                done = levels.pop()
                above = os.open("..", os.O_RDONLY | _ENTER, dir_fd=here)
                os.close(here)
                here = above
                if _identity(here) != levels[-1].identity:
                    return
                with contextlib.suppress(OSError):
                    os.rmdir(done.name, dir_fd=here)
                yield
        os.rmdir(path)  # noqa: PTH106 (a str all along)
    except OSError:
        return
    finally:
        os.close(here)


def go_on(work: Iterator[None], seconds: float) -> bool:
    """Go on with a removal for about so many seconds, one entry at least. False: it is at its end."""
    deadline = time.monotonic() + seconds
    return any(time.monotonic() >= deadline for _ in work)


def _enter(name: str, above: int | None = None) -> int:
    """Open a folder so that it can be listed and emptied, whatever permissions it was left with. Raises OSError."""
    place = os.open(name, os.O_PATH | _ENTER, dir_fd=above)  # needs no permission on the folder itself
    try:
        if os.fstat(place).st_mode & _OWN != _OWN:
            os.chmod(f"/proc/self/fd/{place}", _OWN)  # noqa: PTH101 (an O_PATH descriptor has no fchmod)
        return os.open(".", os.O_RDONLY | _ENTER, dir_fd=place)
    finally:
        os.close(place)


def _identity(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino


def _sweep(folder: int, folders: list[str]) -> Iterator[None]:
    """Unlink all that is no folder; the folders' names go into `folders`."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    with contextlib.suppress(OSError):
                        os.unlink(entry.name, dir_fd=folder)
                yield
    except OSError:
        return  # what was listed so far is dealt with; the folder stays

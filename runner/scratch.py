"""Reduced mode: a worker's scratch is a folder on the host's disk, which no kernel limit bounds as a whole. So look.

Twice: at what the folder holds, and at what was deleted there and lives on in a mapping. Files that are deleted and
still open are not looked for: their number and size are bounded by `files` and `file_size`. A mapping, of one page
even, keeps its file as well, and of those a process may have 65 530.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from ..shared.policy import Limits

PERIOD: Final = 1.0
"""Seconds between two looks. Longer: a worker writes more before it is caught; shorter: more reading of its folders."""
TURNS_TO_MAPS: Final = 5
"""In one of so many periods each worker's mappings are looked at, which takes 0.7 ms. Fewer: a thousand workers take
most of a core; more: a worker that hides files there fills the disk for longer."""
MAPS: Final = 1 << 20
"""Bytes of /proc/PID/maps that are read, about 10 000 mappings; a worker has 200 as a rule. More: a worker with long
names holds the supervisor up for longer; fewer: an honest one with many small mappings is taken for one that hides."""
LOOKS: Final = 20
"""So often at once a folder is looked at whose worker is held: what it had begun ends meanwhile, one system call of
each thread. Fewer: one with many threads is taken for one that hides; more: it is held for longer, once."""
_BLOCK: Final = 512  # st_blocks counts in these, whatever the file system's own block is


class Excess(NamedTuple):
    """A limit that a scratch is over. `limit`: its name; `what`: how, for people."""

    limit: str
    what: str


def excess(folder: str, limits: Limits, hold: Callable[[], AbstractContextManager[None]]) -> Excess | None:
    """How the folder is over its limits; None: it is not, or is gone. In the supervisor, of a hostile tree.

    Follows no link that is one as it is met, stops at the first excess, and takes a tree that cannot be walked (a path
    too long, folders that have another name whenever they are entered) for one. `hold()`: its worker does nothing
    within; for a few milliseconds, if a look may have missed something because the folder changed meanwhile.
    """
    try:
        found, whole = _measure(folder, limits)
        if found is not None or whole:
            return found
        with hold():
            for _ in range(LOOKS):
                found, whole = _measure(folder, limits)
                if found is not None or whole:
                    return found
    except OSError as error:
        return Excess("scratch_inodes", f"its scratch cannot be measured: {error.strerror}")
    return Excess("scratch_inodes", "its scratch cannot be measured: its folders come and go too fast")


def _measure(top: str, limits: Limits) -> tuple[Excess | None, bool]:
    """One look, and whether it saw all there was. Raises OSError."""
    size = count = 0
    whole = True
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            before, below = os.lstat(folder), len(folders)
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    except FileNotFoundError:
                        whole = False  # deleted, or its folder has another name by now
                        continue
                    count += 1
                    if count > limits.scratch_inodes:
                        return Excess("scratch_inodes", "its scratch holds more files and folders"), whole
                    if size > limits.scratch_bytes:
                        return Excess("scratch_bytes", "its scratch holds more bytes"), whole
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
            after = os.lstat(folder)
        except FileNotFoundError:
            whole = whole and folder == top
            continue
        # The kernel may list what is renamed meanwhile under neither name. Time tells, since Linux 6.13 to the
        # nanosecond; so does the number of links, which is that of folders and two, where it is any.
        if before.st_mtime_ns != after.st_mtime_ns or after.st_nlink > len(folders) - below + 2:
            whole = False
    return None, whole


def kept(pid: int, folder: str, limits: Limits) -> Excess | None:
    """How the process keeps too many deleted files of the folder by mapping them; None: it does not, or is gone.

    Sees nothing where the supervisor may not look: as root without CAP_SYS_PTRACE.
    """
    try:
        with open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123 (half of the time of a Path)
            maps = file.read(MAPS)
    except OSError:
        return None
    if len(maps) == MAPS:
        return Excess("files", "it has more mappings than can be looked through")
    place = b" %s/" % os.fsencode(os.path.realpath(folder))
    ours = (line for line in maps.splitlines() if line.endswith(b" (deleted)") and place in line)
    if len({tuple(line.split(None, 5)[3:5]) for line in ours}) > limits.files:  # device and inode
        return Excess("files", "it keeps more deleted files of its scratch mapped")
    return None

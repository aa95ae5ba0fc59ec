"""Reduced mode: a worker's scratch is a folder on the host's disk, which no kernel limit bounds as a whole. So look.

Twice: at what the folder holds, and at what was deleted there and lives on in a mapping. Files that are deleted and
still open are not looked for: their number and size are bounded by `files` and `file_size`. A mapping, of one page
even, keeps its file as well, and of those a process may have 65 530.
"""

import contextlib
import os
from collections.abc import Iterator
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
_BLOCK: Final = 512  # st_blocks counts in these, whatever the file system's own block is


class Excess(NamedTuple):
    """A limit that a scratch is over. `limit`: its name; `what`: how, for people."""

    limit: str
    what: str


def excess(folder: str, limits: Limits) -> Excess | None:
    """How the folder is over its limits; None: it is not, or is gone. In the supervisor, of a hostile tree.

    Follows no link, stops at the first excess, and takes a tree that cannot be walked (a path too long) for one.
    """
    size = count = 0
    folders = [folder]
    try:
        while folders:
            for entry, state in _listed(folders.pop()):
                count += 1
                size += state.st_blocks * _BLOCK
                if count > limits.scratch_inodes:
                    return Excess("scratch_inodes", "its scratch holds more files and folders")
                if size > limits.scratch_bytes:
                    return Excess("scratch_bytes", "its scratch holds more bytes")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    except OSError as error:
        return Excess("scratch_inodes", f"its scratch cannot be measured: {error.strerror}")
    return None


def _listed(folder: str) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """What lies in it, but for what goes away meanwhile: who makes and removes folders all the time is measured too."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                yield entry, entry.stat(follow_symlinks=False)


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

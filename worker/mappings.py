"""Fewer mappings of the same libraries, in the zygote: a fork copies the list, and takes a quarter longer for them.

GNU's linker on x86-64 lays a shared object out in five: headers, code, constants, what was relocated and is to be read
only, and data. 86 objects, most of them extensions of the standard library, make 430. Neighbours with equal rights are
one to the kernel, so the first three are made executable and the last two writable: two are left of each. What other
linkers lay out is treated alike, as far as it lies side by side in memory and in the file.

What those rights were for is given up, in the zygote and its workers: code that is fooled finds more to jump to and may
change the tables of functions. Nobody has to fool a worker: a mod calls what it likes, and may make those tables
writable itself. The zygote hears the supervisor alone.
"""

import ctypes
from pathlib import Path
from typing import Final, NamedTuple

_READ, _WRITE, _EXEC = 1, 2, 4
_CODE: Final = "r-xp"
_DATA: Final = "rw-p"
_CONSTANT: Final = "r--p"


class Mapping(NamedTuple):
    """A line of /proc/PID/maps that is of a file."""

    start: int
    end: int
    rights: str
    offset: int
    file: str
    """Device, inode and path."""

    def meets(self, after: "Mapping") -> bool:
        """Whether the other begins where this ends, in memory and in the file."""
        length = self.end - self.start
        return self.file == after.file and self.end == after.start and self.offset + length == after.offset


def parse(text: str) -> list[Mapping]:
    """The mappings of files in what /proc/PID/maps says, in order of their addresses."""
    found = []
    for line in text.splitlines():
        places, rights, offset, device, inode, *path = line.split(None, 5)
        if inode != "0":
            start, end = (int(place, 16) for place in places.split("-"))
            found.append(Mapping(start, end, rights, int(offset, 16), f"{device} {inode} {''.join(path)}"))
    return found


def widened(mappings: list[Mapping]) -> list[tuple[Mapping, int]]:
    """Which constants become one with the code or the data they lie beside, and the rights for it (PROT_*)."""
    found = []
    for before, it, after in zip([None, *mappings], mappings, [*mappings[1:], None], strict=False):
        if it.rights != _CONSTANT:
            continue
        if after is not None and after.rights == _DATA and it.meets(after):
            found.append((it, _READ | _WRITE))
        elif (after is not None and after.rights == _CODE and it.meets(after)) or (
            before is not None and before.rights == _CODE and before.meets(it)
        ):
            found.append((it, _READ | _EXEC))
    return found


def shared(mappings: list[Mapping]) -> list[Mapping]:
    """Those that forks share with each other and may write to: what one writes there all the others read."""
    return [each for each in mappings if each.rights.startswith("rw") and each.rights.endswith("s")]


def look() -> list[Mapping]:
    """This process's own."""
    return parse(Path("/proc/self/maps").read_text(errors="surrogateescape"))


def merge() -> None:
    """In the zygote, when everything is loaded. What the kernel refuses stays as it is, and forks take longer."""
    mprotect = ctypes.CDLL(None).mprotect
    for it, rights in widened(look()):
        mprotect(ctypes.c_void_p(it.start), ctypes.c_size_t(it.end - it.start), rights)

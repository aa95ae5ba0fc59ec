"""Maps the game's ring a second time, by growing a mapping of nothing, and makes that one writable."""

FULL = "EACCES", "read-only segments"


def attack():
    _, (theirs, length) = segments()
    twin = syscall("mremap", theirs, 0, length, 1, 0)
    return syscall("mprotect", twin, length, 3)

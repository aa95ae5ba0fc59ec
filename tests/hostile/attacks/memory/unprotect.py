"""Makes the game's ring, which it may read, writable."""

FULL = "EACCES", "read-only segments"
QUICK = True


def attack():
    _, (theirs, length) = segments()
    return syscall("mprotect", theirs, length, 3)

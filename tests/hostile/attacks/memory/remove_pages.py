"""Takes the pages away from the ring that the game reads, through the mapping."""

FULL = "EPERM", "seccomp"


def attack():
    (mine, length), _ = segments()
    return syscall("madvise", mine, length, 9)

"""Has the kernel page the game's memory out, again and again."""

FULL = "EPERM", "seccomp"


def attack():
    _, (theirs, length) = segments()
    return syscall("madvise", theirs, length, 21)

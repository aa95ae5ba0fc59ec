"""Moves whoever sleeps at the game's bell to a word where nobody wakes them."""

FULL = "EPERM", "seccomp"


def attack():
    (mine, _), (theirs, _) = segments()
    return syscall("futex", theirs + 512, 3, 0, 1 << 30, mine + 32768, 0)

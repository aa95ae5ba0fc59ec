"""Moves to the core that the game is on."""

FULL = "EPERM", "seccomp"


def attack():
    return os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

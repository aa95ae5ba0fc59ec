"""Moves to the processor that the game runs on, and keeps to it."""

FULL = "EPERM", "seccomp"


def attack():
    first = min(os.sched_getaffinity(0))
    return os.sched_setaffinity(0, {first})

"""Leaves SCHED_BATCH, which keeps it from preempting the game."""

FULL = "EPERM", "seccomp"


def attack():
    return os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

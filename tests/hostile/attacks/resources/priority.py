"""Lets itself be scheduled in front of others that were to go first."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("sched_setscheduler", 0, 0, struct.pack("i", 0))

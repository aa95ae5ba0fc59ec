"""Kills a process by the number of its thread, with the old tkill."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("tkill", HOST["victim"], 9)

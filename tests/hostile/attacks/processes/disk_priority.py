"""Sends another process to the end of the queue for the disk, where it may wait for ever."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("ioprio_set", 1, HOST["victim"], 3 << 13)  # IOPRIO_WHO_PROCESS, idle

"""Takes its whole process group to the front of the queue for the disk."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("ioprio_set", 2, 0, 2 << 13)  # IOPRIO_WHO_PGRP, best effort, level 0

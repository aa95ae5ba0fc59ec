"""Has the host write all its disks, again and again."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("sync")

"""Locks memory, so that it is never paged out."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("mlock", mmap(4096), 4096)

"""Locks all memory that it has."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOMEM": "leave to lock as much"}


def attack():
    return syscall("mlockall", 1)

"""Allows every process to trace it, where Yama forbids it."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "Yama"}


def attack():
    return syscall("prctl", 0x59616D61, -1, 0, 0, 0)

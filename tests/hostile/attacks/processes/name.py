"""Calls itself by line breaks and escapes, which the kernel's log then has in its lines about crashes."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("prctl", 15, b"\n\x1b[2Joops: \n\0")

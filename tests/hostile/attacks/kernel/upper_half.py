"""Hides what it asks for in the upper half of a word that the kernel reads the lower half of, and others compare whole."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("fcntl", 1, 0xFFFFFFFF << 32 | 1031 & 0xFFFFFFFF, 4096)  # F_SETPIPE_SZ

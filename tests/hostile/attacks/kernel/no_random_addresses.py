"""Switches off that addresses are random, for whatever it becomes."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("personality", 0x0040000)  # ADDR_NO_RANDOMIZE

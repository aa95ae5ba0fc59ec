"""Asks for a personality in which all that can be read can be executed."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    return syscall("personality", 0x0400000)

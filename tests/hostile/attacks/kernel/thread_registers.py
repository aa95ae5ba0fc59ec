"""Moves the processor's base registers, by which the C library finds its secrets."""

FULL = "EPERM|ENOSYS", "seccomp"
LACKING = {"ENOSYS": "an x86_64 processor"}


def attack():
    return syscall("arch_prctl", 0x1001, 0)  # ARCH_SET_GS

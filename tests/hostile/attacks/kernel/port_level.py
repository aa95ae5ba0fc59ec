"""Takes all ports at once, by the processor's privilege level."""

FULL = "EPERM|ENOSYS", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "ports", "EPERM": "CAP_SYS_RAWIO, or the kernel is locked down"}


def attack():
    return syscall("iopl", 3)

"""Takes the processor's input and output ports: the hardware itself."""

FULL = "EPERM|ENOSYS", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "ports", "EPERM": "CAP_SYS_RAWIO, or the kernel is locked down"}


def attack():
    return syscall("ioperm", 0x80, 1, 1)

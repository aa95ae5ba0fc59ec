"""Loads a kernel module."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "modules", "EPERM": "CAP_SYS_MODULE, or the kernel is locked down"}


def attack():
    return past("ENOEXEC", "init_module", b"", 0, b"")

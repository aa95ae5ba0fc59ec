"""Overwrites its command line, so that the host's ps shows a supervisor in its place."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EPERM": "the capability to change a command line"}


def attack():
    libc.prctl.restype = ctypes.c_int
    if libc.prctl(35, 8, ctypes.c_ulong(0), 0, 0) == -1 and ctypes.get_errno() not in (errno.EINVAL, errno.ENOMEM):
        failed("prctl")

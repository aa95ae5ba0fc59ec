"""Reads how the host keeps its clock, by the call that sets it, which everybody may make for that."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("clock_adjtime", 0, ctypes.create_string_buffer(256))

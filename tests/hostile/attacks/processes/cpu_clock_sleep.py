"""Sleeps until another process has worked for a while, and is told so by the kernel."""

FULL = "EPERM", "seccomp"


def attack():
    clock = (~HOST["supervisor"] << 3 | 2) & 0xFFFFFFFF
    found = libc.clock_nanosleep(ctypes.c_int32(clock - 2**32), 0, struct.pack("qq", 0, 0), None)
    if found:
        raise OSError(found, "clock_nanosleep")
    return "slept"

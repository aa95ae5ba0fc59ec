"""Learns which pages of a mapped file are in memory, by mincore."""

FULL = "EPERM", "seccomp"


def attack():
    with open(os.__file__, "rb") as file:
        place = mmap(4096, 1, 2, file.fileno())
    return syscall("mincore", place, 4096, ctypes.create_string_buffer(1))

"""Learns which pages of the C library others have touched, by what is in the page cache."""

FULL = "EPERM", "seccomp"


def attack():
    page = ctypes.cast(libc.lcong48, ctypes.c_void_p).value & ~4095
    told = ctypes.create_string_buffer(1)
    syscall("mincore", page, 4096, told)
    return told.raw

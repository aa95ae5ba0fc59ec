"""Makes the C library's code writable, to put its own there."""

FULL = "EPERM", "seccomp"


def attack():
    page = ctypes.cast(libc.lcong48, ctypes.c_void_p).value & ~4095
    return syscall("mprotect", page, 4096, 7)

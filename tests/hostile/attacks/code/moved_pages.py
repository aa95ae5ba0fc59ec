"""Moves the C library's code over other code, page by page, to run what was never meant to run there."""

FULL = "EPERM", "seccomp"
ALONE = "a process that does it to itself dies of it"


def attack():
    source = ctypes.cast(libc.lcong48, ctypes.c_void_p).value & ~4095
    target = ctypes.cast(libc.syscall, ctypes.c_void_p).value & ~4095
    libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
    libc.mremap.restype = ctypes.c_void_p
    if libc.mremap(source, 4096, 4096, 3, target) != target:
        failed("mremap")
    return syscall("getpid")

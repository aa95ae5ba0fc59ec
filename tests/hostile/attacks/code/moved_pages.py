"""Moves the C library's code over other code, page by page, to run what was never meant to run there."""

FULL = "SIGSEGV", "another process"
ALONE = "as far as its own process goes, it may"
JUDGED = "game"


def attack():
    source = ctypes.cast(libc.lcong48, ctypes.c_void_p).value & ~4095
    target = ctypes.cast(libc.syscall, ctypes.c_void_p).value & ~4095
    libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
    libc.mremap(source, 4096, 4096, 3, target)
    syscall("getpid")

"""Makes a library's code writable but not executable, changes it, and makes it executable again."""

FULL = "EPERM", "seccomp"


def attack():
    import math

    library = ctypes.CDLL(None if not hasattr(math, "__file__") else math.__file__)
    page = ctypes.cast(library.PyInit_math, ctypes.c_void_p).value & ~4095
    before = ctypes.string_at(page, 4096)
    syscall("mprotect", page, 4096, 3)
    ctypes.memmove(page, before, 4096)
    return syscall("mprotect", page, 4096, 5)

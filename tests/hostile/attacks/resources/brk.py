"""Moves the end of its data far up."""

FULL = "ENOMEM", "rlimits"


def attack():
    libc.sbrk.restype = ctypes.c_void_p
    libc.sbrk.argtypes = [ctypes.c_long]
    if libc.sbrk(512 << 20) == ctypes.c_void_p(-1).value:
        failed("sbrk")

"""Has libffi write machine code for a callback."""

FULL = "MemoryError", "seccomp"


def attack():
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)(1)

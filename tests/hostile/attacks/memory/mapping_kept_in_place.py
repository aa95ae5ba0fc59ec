"""Moves its memory away and keeps the place, by the newest flag of mremap, over the game's ring, to answer in its name."""

FULL = "EPERM", "seccomp"


def attack():
    (mine, length), (theirs, _) = segments()
    libc.mremap.restype = ctypes.c_void_p
    libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
    got = libc.mremap(mine, length, length, 1 | 4, None)
    if got == ctypes.c_void_p(-1).value:
        failed("mremap")
    return hex(got)

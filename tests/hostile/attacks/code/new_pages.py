"""Maps memory that is writable and executable, and runs what it writes there."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    page = mmap(4096, 7)
    ctypes.memmove(page, RETURN, len(RETURN))
    return ctypes.CFUNCTYPE(None)(page)()

"""Maps the memory that it was given for its state as code."""

FULL = "EPERM", "seccomp"


def attack():
    fd = given("state")
    os.pwrite(fd, RETURN, 0)
    return ctypes.CFUNCTYPE(None)(mmap(4096, 5, 1, fd))()

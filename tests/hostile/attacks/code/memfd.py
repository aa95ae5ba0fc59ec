"""Makes a file in memory, and maps that executable."""

FULL = "EPERM", "seccomp"


def attack():
    fd = os.memfd_create("code")
    os.write(fd, RETURN)
    return ctypes.CFUNCTYPE(None)(mmap(4096, 5, 2, fd))()

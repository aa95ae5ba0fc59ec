"""Writes a message to other mods into the times of what the game publishes, by a path that is empty."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "utimensat with an empty path"}


def attack():
    fd = given("view")
    times = (ctypes.c_long * 4)(0, 7, 0, 7)
    libcall("utimensat", fd, b"", times, 0x1000)
    return os.fstat(fd).st_mtime_ns

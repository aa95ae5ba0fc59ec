"""Writes a message to other mods into the times of what the game publishes."""

FULL = "EPERM", "seccomp"


def attack():
    fd = given("view")
    os.utime(fd, ns=(7, 7))
    return os.fstat(fd).st_mtime_ns

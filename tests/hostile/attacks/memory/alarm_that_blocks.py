"""Makes the counter by which it wakes a game that waits in an event loop blocking, and fills it."""

FULL = "EPERM", "seccomp"


def attack():
    import fcntl

    fd = (
        next(each for each in range(4, 64) if is_eventfd(each))
        if "Worker" in grip()
        else os.eventfd(0, os.EFD_NONBLOCK)
    )
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    return os.write(fd, struct.pack("Q", 2**64 - 2))

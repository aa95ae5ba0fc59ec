"""Makes the pipe of its stderr hold a MiB."""

FULL = "EPERM", "seccomp"


def attack():
    import fcntl

    fd = 2 if "Worker" in grip() else os.pipe()[1]
    return fcntl.fcntl(fd, 1031, 1 << 20)

"""Takes a lease on a file of its own: whoever opens it has to wait until it is given back."""

FULL = "EPERM", "seccomp"


def attack():
    import fcntl

    fd = os.open("mine", os.O_RDWR | os.O_CREAT)
    return fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)

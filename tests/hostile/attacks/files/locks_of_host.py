"""Learns who of the host holds a lock on a file: by its process number, through a descriptor of the fourth access mode."""

FULL = "EPERM", "seccomp"


def attack():
    import fcntl

    fd = os.open(f"{HOST['folder']}/kept", 3)
    return fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))

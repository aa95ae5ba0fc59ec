"""Connects to a service of the host's at an abstract name, which no mount and no file permission covers."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    import socket

    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect("\0" + HOST["abstract"])
        return caller.getpeername()

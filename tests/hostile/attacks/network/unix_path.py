"""Connects to a service of the host's at a path, as to a desktop's bus or a database."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(HOST["unix"])
        return caller.getpeername()

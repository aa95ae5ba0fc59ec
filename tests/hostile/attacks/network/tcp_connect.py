"""Connects to a server on this machine by TCP."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    import socket

    return socket.create_connection(("127.0.0.1", HOST["tcp"]), timeout=1).getpeername()

"""Waits for others to connect to it by TCP."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        return server.getsockname()

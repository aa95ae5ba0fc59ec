"""Has the kernel give it an abstract name, by binding to none."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("")
        return server.getsockname()

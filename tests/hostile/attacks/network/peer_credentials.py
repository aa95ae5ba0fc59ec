"""Asks the kernel who stands at the other end of the supervisor's socket: its process and its user."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    with upwards() as up:
        return struct.unpack("3i", up.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))

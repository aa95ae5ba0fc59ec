"""Learns the host's interfaces and addresses from the kernel."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    return socket.if_nameindex()

"""Sends a datagram to a server on this machine: Landlock does not look at UDP."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"hello", ("127.0.0.1", HOST["udp"]))

"""Looks a name up, as a way to the name server and to those who read its log."""

FULL = "gaierror", "seccomp"


def attack():
    import socket

    return socket.getaddrinfo("localhost", 80)

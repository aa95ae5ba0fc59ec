"""Shuts the supervisor's socket down at both ends, while the worker lives on and cannot be told anything."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    with upwards() as up:
        return up.shutdown(socket.SHUT_RDWR)

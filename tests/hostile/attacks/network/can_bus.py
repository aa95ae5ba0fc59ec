"""Reaches a vehicle's or a machine's control bus, CAN."""

FULL = "EPERM", "seccomp"
LACKING = {"EAFNOSUPPORT": "CAN"}


def attack():
    import socket

    with socket.socket(29, socket.SOCK_RAW, 1) as bus:
        return bus.fileno()

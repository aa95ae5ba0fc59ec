"""Listens to every packet of every interface."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EPERM": "CAP_NET_RAW", "EAFNOSUPPORT": "packet sockets"}


def attack():
    import socket

    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as heard:
        return heard.fileno()

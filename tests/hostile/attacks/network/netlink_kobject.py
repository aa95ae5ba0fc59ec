"""Listens to what the kernel tells of the host's devices, as they come and go."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15) as heard:
        heard.bind((0, 1))
        return heard.getsockname()

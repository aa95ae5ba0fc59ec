"""Takes packets from a network card past the kernel's network code: AF_XDP."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EAFNOSUPPORT": "AF_XDP", "EPERM": "CAP_NET_RAW"}


def attack():
    import socket

    with socket.socket(44, socket.SOCK_RAW) as card:
        return card.fileno()

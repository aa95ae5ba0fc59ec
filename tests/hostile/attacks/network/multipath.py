"""Connects by multipath TCP, which early versions of Landlock's rules for TCP did not cover."""

FULL = "EPERM", "seccomp"
LACKING = {"EPROTONOSUPPORT": "multipath TCP", "ENOPROTOOPT": "multipath TCP"}


def attack():
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as sender:
        sender.settimeout(1)
        sender.connect(("127.0.0.1", HOST["tcp"]))
        return sender.getpeername()

"""Connects by sending: TCP Fast Open needs no connect(), which is what Landlock looks at."""

FULL = "EPERM", "seccomp"
LACKING = {"EOPNOTSUPP": "TCP Fast Open"}


def attack():
    import socket

    with socket.socket() as sender:
        return sender.sendto(b"hello", socket.MSG_FASTOPEN, ("127.0.0.1", HOST["tcp"]))

"""Sends a datagram by UDP-Lite, which those forget who think of TCP and UDP."""

FULL = "EPERM", "seccomp"
LACKING = {"EPROTONOSUPPORT": "UDP-Lite"}


def attack():
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136) as sender:
        return sender.sendto(b"hello", ("127.0.0.1", HOST["udp"]))

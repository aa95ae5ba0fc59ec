"""Reaches the Bluetooth radio."""

FULL = "EPERM", "seccomp"
LACKING = {"EAFNOSUPPORT": "Bluetooth", "EPROTONOSUPPORT": "Bluetooth", "EPERM": "CAP_NET_RAW"}


def attack():
    import socket

    with socket.socket(31, socket.SOCK_SEQPACKET, 0) as radio:
        return radio.fileno()

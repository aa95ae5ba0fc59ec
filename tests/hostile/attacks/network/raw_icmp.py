"""Makes a raw socket, which forges packets and hears those of others."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EPERM": "CAP_NET_RAW"}


def attack():
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as heard:
        return heard.fileno()

"""Makes a socket that speaks to the whole local network, by UDP over IPv6's multicast."""

FULL = "EPERM", "seccomp"
LACKING = {"EAFNOSUPPORT": "IPv6"}


def attack():
    import socket

    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 32)
        return sender.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS)

"""Lists the host's sockets, with who listens where."""

FULL = "EPERM", "seccomp"
LACKING = {"EPROTONOSUPPORT": "sock_diag", "ENOENT": "tcp_diag"}


def attack():
    import socket

    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as asks:
        asks.settimeout(1)
        what = struct.pack("BBBxI48x", socket.AF_INET, socket.IPPROTO_TCP, 0, 1 << 10)
        asks.sendto(struct.pack("IHHII", 16 + len(what), 20, 0x301, 1, 0) + what, (0, 0))
        answer = asks.recv(65536)
    size, kind = struct.unpack_from("IH", answer)
    if kind == 2:
        raise OSError(-struct.unpack_from("i", answer, 16)[0], "refused")
    return size

"""Makes the supervisor's socket hold more than it should: its buffers are the kernel's memory."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    with upwards() as up:
        up.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        return up.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

"""Makes a pair of sockets: kernel memory that no limit counts, and something that carries descriptors."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    one, other = socket.socketpair()
    with one, other:
        return one.send(bytes(1000))

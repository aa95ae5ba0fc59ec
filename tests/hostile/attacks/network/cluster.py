"""Has the kernel load the code of a rare protocol, TIPC, to attack that."""

FULL = "EPERM", "seccomp"
LACKING = {"EAFNOSUPPORT": "TIPC"}


def attack():
    import socket

    with socket.socket(30, socket.SOCK_RDM) as cluster:
        return cluster.fileno()

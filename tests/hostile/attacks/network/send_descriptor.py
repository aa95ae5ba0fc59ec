"""Sends a descriptor to the supervisor over the socket that it has been given."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    import socket

    with upwards() as up:
        return unpunished(socket.send_fds(up, [b"take this"], [0]))

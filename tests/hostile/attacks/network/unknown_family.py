"""Tries every family that there is, in the hope that one has been forgotten."""

FULL = "EPERM", "seccomp"


def attack():
    import socket

    refused = None
    for family in range(46):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW, socket.SOCK_RDM):
            try:
                with socket.socket(family, kind) as made:
                    return family, kind, made.fileno()
            except OSError as error:
                refused = error
    raise refused

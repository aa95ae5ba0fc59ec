"""Shuts its socket down in one direction, and keeps it open."""

FULL = "EPERM", "seccomp"

import socket


def attack():
    if confined():
        ours = grip()["Link"]._sock
    else:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.shutdown(socket.SHUT_WR)

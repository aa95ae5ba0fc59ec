"""Attaches a descriptor to a packet, so that the supervisor holds what it did not ask for."""

FULL = "EPERM", "seccomp"
QUICK = True

import array
import socket


def attack():
    if confined():
        ours = grip()["Link"]._sock
    else:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fds = array.array("i", [1] * 200)
    return unpunished(ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]))

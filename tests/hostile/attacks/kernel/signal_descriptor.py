"""Reads its signals from a descriptor, so that the supervisor's question for its stack is never answered."""

FULL = "EPERM", "seccomp"


def attack():
    made = libc.signalfd(-1, bytes(128), 0)
    return made if made >= 0 else failed("signalfd")

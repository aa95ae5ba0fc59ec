"""Connects to its supervisor's socket anew, to speak to it as a game does."""

FULL = "EPERM", "seccomp"

import socket


def attack():
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(HOST["unix"])

"""Signals the process group that it is in, where a careless starter has left others."""

FULL = "EPERM", "seccomp"


def attack():
    return os.kill(0, 0)

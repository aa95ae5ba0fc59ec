"""Begins a session of its own, as a daemon does to outlive whoever started it."""

FULL = "EPERM", "seccomp"


def attack():
    return os.setsid()

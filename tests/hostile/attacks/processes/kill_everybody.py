"""Asks to signal every process that there is, with the signal that does nothing."""

FULL = "EPERM", "seccomp"


def attack():
    return os.kill(-1, 0)

"""Makes an event counter, which two processes could signal each other by."""

FULL = "EPERM", "seccomp"


def attack():
    return os.eventfd(0)

"""Makes uid 0 mean something again: clears the secure bits."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return libcall("prctl", 28, 0, 0, 0, 0)

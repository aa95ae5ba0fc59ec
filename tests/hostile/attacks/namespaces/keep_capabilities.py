"""Asks to keep its capabilities when it changes its uid."""

FULL = "EPERM", "seccomp"


def attack():
    return libcall("prctl", 8, 1, 0, 0, 0)

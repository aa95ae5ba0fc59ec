"""Copies a descriptor over and over."""

FULL = "EMFILE", "rlimits"


def attack():
    return [os.dup(0) for _ in range(200)]

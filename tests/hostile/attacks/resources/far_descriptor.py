"""Gives a descriptor a number far up, for a table of descriptors that is as long."""

FULL = "EBADF", "rlimits"


def attack():
    return os.dup2(0, 900)

"""Maps more memory than it has."""

FULL = "ENOMEM", "rlimits"


def attack():
    return mmap(512 << 20)

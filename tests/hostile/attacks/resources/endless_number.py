"""Computes a power of a million digits, in machine code that cannot be interrupted."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"hang_after": 0.1}


def attack():
    return (3**5_000_000).bit_length()

"""Computes a power of millions of digits, in machine code that cannot be interrupted."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"hang_after": 0.1}


def attack():
    return (3**12_000_000).bit_length()

"""Computes without end."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"hang_after": 0.1}


def attack():
    burn(1.0)

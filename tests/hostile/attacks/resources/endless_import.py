"""Computes without end while it is imported."""

FULL = "LimitExceeded", "stage deadlines"
AT_LOAD = True
LIMITS = {"load_timeout": 0.2}


def attack():
    burn(1.0)

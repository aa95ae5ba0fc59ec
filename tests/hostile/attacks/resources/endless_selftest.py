"""Computes without end in its test of itself."""

FULL = "LimitExceeded", "stage deadlines"
LIMITS = {"load_timeout": 0.2}


def selftest():
    burn(1.0)


def attack():
    selftest()

"""Computes without end in the __str__ of the error that it raises, while the worker describes it."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"hang_after": 0.1}


class Slow(SystemExit):
    def __str__(self):
        burn(1.0)
        return "slow"


def attack():
    if "Worker" in grip():
        raise Slow
    return str(Slow())

"""Computes without end in __del__, when its handler has already returned."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"hang_after": 0.1}


class Thing:
    def __del__(self):
        burn(1.0)


def attack():
    Thing()

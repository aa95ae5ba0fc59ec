"""Sleeps where it should answer."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"hang_after": 0.1}


def attack():
    import time

    time.sleep(1.5)

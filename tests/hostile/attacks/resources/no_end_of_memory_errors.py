"""Catches it when it is refused memory, and goes on asking for it."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"memory": 16777216, "hang_after": 0.1}


def attack():
    import time

    kept, end = [], time.process_time() + 1.0
    while time.process_time() < end:
        try:
            kept.append(bytearray(1 << 20))
        except MemoryError:
            pass
        del kept[64:]

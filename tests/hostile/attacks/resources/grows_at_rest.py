"""Says that it has nothing to do, and takes more memory than it may have resident."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"resident": 16777216}
SECONDS = 12.0


def attack():
    import time

    if "Port" in grip():
        grip()["Port"].finish()
    kept = b"x" * (64 << 20)
    time.sleep(15 if "Port" in grip() else 0)
    return len(kept)

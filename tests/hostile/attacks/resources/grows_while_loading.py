"""Takes more memory than it may have resident while it is imported, when no message of its own is timed."""

FULL = "LimitExceeded", "patrol"
AT_LOAD = True
LIMITS = {"resident": 16777216}


def attack():
    kept = b"x" * (64 << 20)
    burn(0.6)
    return len(kept)

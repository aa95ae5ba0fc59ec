"""Grows by a MiB at a time, each of which it could have."""

FULL = "LimitExceeded", "patrol"
LIMITS = {"resident": 16777216}


def attack():
    kept = []
    for _ in range(60):
        kept.append(b"x" * (1 << 20))
        burn(0.01)

"""Says that it has nothing to do, and computes on."""

FULL = "LimitExceeded", "patrol"
SECONDS = 12.0


def attack():
    if "Port" in grip():
        grip()["Port"].finish()
        burn(12.0)
    burn(0.1)

"""Makes an object larger than its memory may be."""

FULL = "MemoryError", "rlimits"
LIMITS = {"memory": 33554432}
QUICK = True


def attack():
    return len(bytearray(64 << 20))

"""Holds on to all memory there is, to the last piece, so that not even its end can be reported."""

FULL = "MemoryLimit", "rlimits"
LIMITS = {"memory": 16777216}
ALONE = "there is no last piece where memory is not limited"
JUDGED = "game"


def attack():
    global kept
    kept = None
    size = 1 << 20
    while size > 8:
        try:
            kept = (kept, bytearray(size))
        except MemoryError:
            size //= 2
    raise MemoryError

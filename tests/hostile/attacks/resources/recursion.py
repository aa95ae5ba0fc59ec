"""Calls itself half a million times deep, with Python's own limit out of the way."""

FULL = "SystemError|MemoryError", "rlimits"
LIMITS = {"memory": 16777216}


def attack():
    sys.setrecursionlimit(1_000_000)

    def call(depth):
        if depth:
            call(depth - 1)

    call(500_000)

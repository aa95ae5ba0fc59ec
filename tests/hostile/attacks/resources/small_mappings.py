"""Makes ten thousand mappings of a page each, none of which can be merged with the next."""

FULL = "ENOMEM", "rlimits"
LIMITS = {"memory": 16777216}


def attack():
    for n in range(10_000):
        mmap(4096, 1 + n % 2 * 2)

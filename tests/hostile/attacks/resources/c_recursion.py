"""Recurses in machine code until its stack is used up, where Python does not count."""

FULL = "SIGSEGV", "rlimits"
ALONE = "the throw-away process dies of it as well"


def attack():
    nested = ()
    for _ in range(300_000):
        nested = (nested,)
    return hash(nested)

"""Wakes whoever sleeps at a word of the game's own, through the mapping that it may only read."""

FULL = "answers", "bounded looks"
JUDGED = "game"
ALONE = "it may wake whom it likes: what is attacked is whoever sleeps"


def attack():
    import time

    _, (theirs, length) = segments()
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        for at in range(0, 2048, 128):
            syscall("futex", theirs + at, 1, 2**31 - 1, 0, 0, 0)

"""Says that it sleeps, in every way there is and in some that there are not, so that the game wakes it for ever."""

FULL = "answers", "pacing"
JUDGED = "game"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"


def attack():
    import time

    from fumehood.shared import _ring

    up = grip()["Segment"]
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        for why in (1, 2, 3, 4, 5, 6, 2**32 - 1):
            up.store32(_ring.PARKED, why)

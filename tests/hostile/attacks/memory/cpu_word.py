"""Says that it runs on a CPU that there is not, and on the game's own, so that the game polls or yields for ever."""

FULL = "answers", "bounded looks"
JUDGED = "game"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"


def attack():
    import time

    from fumehood.shared import _ring

    up = grip()["Segment"]
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        for cpu in (0, 1, 2**31 - 1, 2**31, 2**32 - 1):
            up.store32(_ring.CPU, cpu)

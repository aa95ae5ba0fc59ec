"""Asks something that is 4 GiB long."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"


def attack():
    import time

    from fumehood.shared import _ring

    up = grip()["Segment"]
    end = time.monotonic() + 0.2
    number = 0
    while time.monotonic() < end:
        number += 1
        up.store64(_ring.ASKED, number << 32 | (0xFFFFFFFE, 16385, 16384, 0)[number % 4])

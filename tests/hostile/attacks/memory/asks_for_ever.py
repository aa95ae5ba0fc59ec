"""Says that it waits for one answer after the other, so that what it computes meanwhile is not taken for a hang."""

FULL = "LimitExceeded", "patrol"
JUDGED = "game"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"
LIMITS = {"hang_after": 0.1, "query_timeout": 0.05}


def attack():
    from fumehood.shared import _ring

    up, number = grip()["Segment"], 0
    while True:
        number = number + 1 & 0x7FFFFFFF
        up.store64(_ring.ASKED, number << 32 | 16)

"""Computes for ever in one handler, and says all the time that it has come to another message."""

FULL = "LimitExceeded", "patrol"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"
LIMITS = {"hang_after": 0.1, "cpu_share": 0.3, "cpu_window": 1.0}


def attack():
    from fumehood.shared import _ring

    up, port, at = grip()["Segment"], grip()["Port"], 0
    while True:
        at = (at + 8) % (port.tail + 16)
        up.store64(_ring.TAIL, at)
        up.store64(_ring.STARTED, at + 8)
        burn(0.002)

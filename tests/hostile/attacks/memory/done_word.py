"""Says that it has done more than it was ever sent, and less than it had done before, in turns."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"


def attack():
    from fumehood.shared import _ring

    up, port = grip()["Segment"], grip()["Port"]
    for n in range(20_000):
        up.store64(_ring.TAIL, (0, 2**64 - 1, port.tail, 2**63, 3)[n % 5])
        up.store64(_ring.STARTED, (2**64 - 1, 0, 5)[n % 3])
    up.store64(_ring.TAIL, port.tail)

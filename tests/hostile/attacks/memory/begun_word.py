"""Says that it never began what it did, and dies, so that its successor is sent it all again."""

FULL = "Exited", "checked indices"
JUDGED = "game"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"


def attack():
    from fumehood.shared import _ring

    up = grip()["Segment"]
    up.store64(_ring.STARTED, 0)
    up.store64(_ring.TAIL, 0)
    os._exit(9)

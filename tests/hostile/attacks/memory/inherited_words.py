"""Says that of two messages that it inherited it did 2**63, and dies."""

FULL = "Exited", "checked indices"
JUDGED = "game"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"


def attack():
    from fumehood.shared import _ring

    up = grip()["Segment"]
    up.store64(_ring.INHERITED_START, 2**63 + 1)
    up.store64(_ring.INHERITED_DONE, 2**63)
    os._exit(9)

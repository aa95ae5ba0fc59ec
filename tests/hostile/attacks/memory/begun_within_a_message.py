"""Says that it got to the middle of a message, and dies: its successor would be sent the rest as a message."""

FULL = "Exited", "checked indices"
JUDGED = "game"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"


def attack():
    from fumehood.shared import _ring

    up, port = grip()["Segment"], grip()["Port"]
    up.store64(_ring.TAIL, port.tail + 8)
    up.store64(_ring.STARTED, port.tail + 16)
    os._exit(9)

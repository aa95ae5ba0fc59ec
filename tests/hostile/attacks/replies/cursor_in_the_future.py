"""Says that it has handled what it was never sent."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own memory as it likes: what is attacked is whoever reads it"


def attack():
    from fumehood.shared import _ring

    up = grip()["Serving"]._up
    up.store64(_ring.TAIL, 2**62)
    up.store64(_ring.STARTED, 2**62)

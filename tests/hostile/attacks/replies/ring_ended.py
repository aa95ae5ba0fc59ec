"""Ends its own ring, as only the game ends one."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own memory as it likes: what is attacked is whoever reads it"


def attack():
    from fumehood.shared import _ring

    up = grip()["Serving"]._up
    up.store64(_ring.END, up.load64(_ring.HEAD))
    up.nudge()

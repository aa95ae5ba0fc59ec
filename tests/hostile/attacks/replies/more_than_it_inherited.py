"""Says that it has finished more of its inheritance than there was."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own memory as it likes: what is attacked is whoever reads it"


def attack():
    from fumehood.shared import _ring

    up = grip()["Serving"]._up
    up.store64(_ring.INHERITED_START, 2**64 - 1)
    up.store64(_ring.INHERITED_DONE, 2**63)

"""Asks the game in a letter that claims to be four gigabytes long."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own memory as it likes: what is attacked is whoever reads it"


def attack():
    from fumehood.shared import _ring

    up = grip()["Serving"]._up
    up.write(_ring.LETTER, b"\xff" * 4096)
    up.store64(_ring.ASKED, 7 << 32 | 0xFFFF_FFFE)
    up.nudge()

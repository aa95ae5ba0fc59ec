"""Asks the game in a letter that is another one each time it is looked at."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own memory as it likes: what is attacked is whoever reads it"


def attack():
    import time

    from fumehood.shared import _ring

    up, end, number = grip()["Serving"]._up, time.monotonic() + 0.2, 0
    while time.monotonic() < end:
        number += 1
        up.write(_ring.LETTER, os.urandom(64))
        up.store64(_ring.ASKED, number << 32 | number % 20_000)

"""Rings for the game without a pause, with nothing to say."""

FULL = "answers", "price of messages"
JUDGED = "game"
ALONE = "it may ring its own bell as it likes: what is attacked is the game, which is woken"


def attack():
    import time

    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        grip()["Serving"]._up.nudge()

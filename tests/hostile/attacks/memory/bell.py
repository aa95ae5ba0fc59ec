"""Rings at the game without end, and has nothing to say."""

FULL = "answers", "bounded looks"
JUDGED = "game"
ALONE = "it may ring as it likes: what is attacked is whoever listens"


def attack():
    import time

    up = grip()["Segment"]
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        for _ in range(100):
            up.nudge()

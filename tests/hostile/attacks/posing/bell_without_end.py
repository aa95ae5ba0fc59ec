"""Rings for the game five thousand times with nothing to say."""

FULL = "answers", "price of messages"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    for _ in range(5000):
        grip()["Serving"]._up.nudge()

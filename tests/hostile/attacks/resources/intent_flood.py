"""Says to the game whatever there is room for, without end."""

FULL = "answers", "price of messages"
JUDGED = "game"
ALONE = "it may say what it likes: what is attacked is the game"
SECONDS = 1.0


def attack():
    import time

    from fumehood.shared.errors import QueueFull
    from fumehood.worker import game

    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        try:
            game.flood(n=1)
        except QueueFull:
            pass

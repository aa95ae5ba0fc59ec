"""Asks the game for things as fast as it can."""

FULL = "answers", "price of messages"
JUDGED = "game"
SECONDS = 0.5


def attack():
    from fumehood.shared.errors import QueueFull
    from fumehood.worker import game

    if not confined():
        return [dict(n=n) for n in range(1000)]
    for n in range(100_000):
        try:
            game.more(n=n)
        except QueueFull:
            break

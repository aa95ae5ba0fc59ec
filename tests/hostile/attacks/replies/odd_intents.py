"""Asks the game for what has names that mean something to Python, and to whoever formats text."""

FULL = "answers", "total decoding"
JUDGED = "game"

NAMES = ["__class__", "{0.__init__.__globals__[HOST]}", "%s%n", "", "\0", "a" * 50_000, "../../x", "apply", "ended\n"]


def attack():
    from fumehood.worker import game

    class Naive:
        def __init__(self):
            pass

    if confined():
        return [game.send(name, self=1, mod="other", __init__=NAMES[1]) for name in NAMES if name]
    assert HOST["words"] in NAMES[1].format(Naive())

"""Goes on answering and asking after it was told to end, and does not."""

FULL = "answers", "stage deadlines"
JUDGED = "game"
ALONE = "it may say of itself what it likes: what is attacked is whoever believes it"


def on_unload():
    from fumehood.worker import game

    while True:
        try:
            game.more(n=1)
        except Exception:
            pass


def attack():
    return 1

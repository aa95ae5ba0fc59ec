"""Computes without end when its next version is to take over."""

FULL = "answers", "stage deadlines"
LIMITS = {"drain_timeout": 0.2}
ALONE = "it may end as slowly as it likes: what is attacked is who waits for it"
JUDGED = "game"


def on_unload():
    burn(30.0)


def attack():
    pass


def after():
    pass

"""Computes without end when it goes live, while the game already waits for it."""

FULL = "LimitExceeded", "stage deadlines"
LIMITS = {"load_timeout": 0.2}


def on_load():
    burn(1.0)


def attack():
    on_load()

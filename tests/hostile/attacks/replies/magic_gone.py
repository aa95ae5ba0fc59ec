"""Overwrites the word that says what its memory is."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own memory as it likes: what is attacked is whoever reads it"


def attack():
    up = grip()["Serving"]._up
    up.store64(0, 0)

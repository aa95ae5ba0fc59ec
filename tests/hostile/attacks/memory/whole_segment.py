"""Writes over all that it may write: magic, words, card, letter, ring."""

FULL = "ProtocolError|answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own segment as it likes: what is attacked is whoever reads it"


def attack():
    (mine, length), _ = segments()
    ctypes.memmove(mine, os.urandom(length), length)

"""Closes all that it holds, so that nobody hears of it any more.

It is killed as soon as it is to be told something; it may answer the game until then.
"""

FULL = "answers|SIGKILL", "patrol"
JUDGED = "game"
ALONE = "it may close what is its own: what is attacked is whoever listens to it"


def attack():
    os.closerange(0, 64)

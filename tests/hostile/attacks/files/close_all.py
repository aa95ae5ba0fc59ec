"""Closes all that it holds, so that nobody hears of it any more."""

FULL = "SIGKILL", "patrol"
JUDGED = "game"
ALONE = "it may close what is its own: what is attacked is whoever listens to it"


def attack():
    import time

    os.closerange(0, 64)
    time.sleep(3.0)

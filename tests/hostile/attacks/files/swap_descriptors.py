"""Puts a pipe that nobody reads in the place of its command socket."""

FULL = "SIGKILL", "patrol"
JUDGED = "game"
ALONE = "its descriptors are its own: what is attacked is whoever listens to it"


def attack():
    import time

    os.dup2(0, 3)
    time.sleep(3.0)

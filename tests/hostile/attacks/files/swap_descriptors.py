"""Puts a pipe that nobody reads in the place of its command socket.

It is killed as soon as it is to be told something; it may answer the game until then.
"""

FULL = "answers|SIGKILL", "patrol"
JUDGED = "game"
ALONE = "its descriptors are its own: what is attacked is whoever listens to it"


def attack():
    os.dup2(0, 3)

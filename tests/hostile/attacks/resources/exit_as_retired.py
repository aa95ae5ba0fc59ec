"""Ends as a worker does that was told to end."""

FULL = "Exited", "supervisor"
ALONE = "the throw-away process ends as well"


def attack():
    os._exit(84)

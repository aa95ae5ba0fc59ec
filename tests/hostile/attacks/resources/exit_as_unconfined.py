"""Ends as a worker does that could not be confined."""

FULL = "Exited", "supervisor"
ALONE = "the throw-away process ends as well"


def attack():
    os._exit(83)

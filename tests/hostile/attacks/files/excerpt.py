"""Fails at each frame with an error that names a file of the host's, for whoever shows the line it stands in."""

FULL = "answers", "bounded looks"
JUDGED = "game"


def on_frame(n):
    raise SyntaxError("look here", (HOST["secret"], 1, 1, None))


def attack():
    import linecache

    return linecache.getline(HOST["secret"], 1)

"""Writes to its standard error itself, past everything that Python does, and dies of it."""

FULL = "Exited", "escaped text"
JUDGED = "game"


def attack():
    os.write(2, b"x\r\x1b]0;owned\x07\x1b[2J\nall is well\n\xff\xfe\xc2\x9b2J\n" * 40)
    if confined():
        os._exit(3)

"""Writes to its standard output itself, and to every other descriptor that takes it."""

FULL = "answers", "escaped text"
JUDGED = "game"


def attack():
    for fd in (1, *range(3, 20)):
        try:
            if not confined() or fd != grip()["Link"]._fd:
                os.write(fd, b"\x1b[2Jall is well\n" if confined() else b"")
        except OSError:
            pass

"""Writes to its stderr, past all that counts lines, faster than anybody reads."""

FULL = "answers", "supervisor's rates"
JUDGED = "game"
ALONE = "it may write there as it likes: what is attacked is whoever reads it"


def attack():
    import time

    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        try:
            os.write(2, b"\x1b[2J\n" * 800)
        except BlockingIOError:
            pass

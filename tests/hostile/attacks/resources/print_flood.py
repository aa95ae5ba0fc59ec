"""Prints a line of 8 MiB, and thousands of short ones."""

FULL = "answers", "supervisor's rates"
JUDGED = "game"
ALONE = "it may print as it likes: what is attacked is whoever writes it down"


def attack():
    import time

    print("x" * (8 << 20))
    end = time.monotonic() + 0.15
    while time.monotonic() < end:
        print("y")

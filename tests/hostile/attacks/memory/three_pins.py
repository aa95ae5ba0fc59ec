"""Pins as many buffers of a view as an honest mod may, other ones each time, and never lets go."""

FULL = "answers", "bounded pins"
JUDGED = "game"
ALONE = "it may write its own pins as it likes: what is attacked is who fills the buffers"


def attack():
    import time

    given("view")
    windows, up = grip()["Windows"], grip()["Segment"]
    entry = windows._entries["seen"]
    windows.held.clear()
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        for shift in range(30):
            up.store64(entry.at_pins, entry.generation << 32 | 0b111 << shift & 0xFFFFFFFF)

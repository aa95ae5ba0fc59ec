"""Pins every buffer of every view, in every generation."""

FULL = "answers", "bounded pins"
JUDGED = "game"
ALONE = "it may write its own pins as it likes: what is attacked is who fills the buffers"


def attack():
    import time

    from fumehood.shared import views

    up = grip()["Segment"]
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        for place in range(views.MOST_VIEWS):
            up.store64(views.PINS + 8 * place, 2**64 - 1)

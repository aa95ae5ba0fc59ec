"""Changes the length of a message while the game is looking at it."""

FULL = "ProtocolError|answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own ring as it likes: what is attacked is whoever reads it"


def attack():
    import time

    from fumehood.shared import _ring

    up, port = grip()["Segment"], grip()["Port"]
    at = _ring.RING + (port.head & (up.size - _ring.RING - 1))
    honest = port.head & 0xFFFFFFFF ^ _ring.CHECK
    up.store64(_ring.HEAD, port.head + 64)
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        for length in (8, 56, 0xFFFFFFF0, 40, 1 << 16, 0):
            up.store64(at, honest << 32 | length)

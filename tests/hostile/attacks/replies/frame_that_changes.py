"""Rewrites a message while the game reads it."""

FULL = "answers|ProtocolError", "checked indices"
JUDGED = "game"
ALONE = "it may write its own memory as it likes: what is attacked is whoever reads it"


def attack():
    import time

    from fumehood.shared import _ring

    serving, end = grip()["Serving"], time.monotonic() + 0.2
    up = serving._up
    while time.monotonic() < end:
        at = _ring.RING + up.load64(_ring.HEAD) % (up.size - _ring.RING)
        if serving.port.push(b"\x93\x01\x07\xa0"):
            up.write(at + 8, os.urandom(4))

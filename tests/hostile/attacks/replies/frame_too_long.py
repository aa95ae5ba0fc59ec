"""Writes a message into its ring that claims to be four gigabytes long."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own memory as it likes: what is attacked is whoever reads it"


def attack():
    from fumehood.shared import _ring

    up = grip()["Serving"]._up
    head = up.load64(_ring.HEAD)
    at = _ring.RING + head % (up.size - _ring.RING)
    up.write(at, struct.pack("II", 0xFFFF_FFF0, (head ^ _ring.CHECK) & 0xFFFF_FFFF))
    up.store64(_ring.HEAD, head + 16)

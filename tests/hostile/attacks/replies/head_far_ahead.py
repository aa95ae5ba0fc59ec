"""Says that it has written 2**63 bytes into the ring that the game reads."""

FULL = "ProtocolError|answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own ring as it likes: what is attacked is whoever reads it"


def attack():
    from fumehood.shared import _ring

    grip()["Segment"].store64(_ring.HEAD, 2**63)

"""Says that it has handled everything and rests, and computes for ever."""

FULL = "LimitExceeded", "patrol"
JUDGED = "game"
ALONE = "it may say of itself what it likes: what is attacked is whoever believes it"
SECONDS = 15.0


def attack():
    from fumehood.shared import _ring

    up = grip()["Serving"]._up
    up.store64(_ring.TAIL, up.load64(_ring.STARTED))
    while True:
        pass

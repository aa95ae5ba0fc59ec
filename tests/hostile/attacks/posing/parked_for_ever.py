"""Says that it sleeps and has to be woken, on a processor that there is not."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may say of itself what it likes: what is attacked is whoever believes it"


def attack():
    from fumehood.shared import _ring

    up = grip()["Serving"]._up
    up.store32(_ring.PARKED, 0xFFFF_FFFF)
    up.store32(_ring.CPU, 0x7FFF_FFFF)

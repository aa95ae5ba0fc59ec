"""Says that a neighbour's worker exited, as the zygote does."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"
QUICK = True


def attack():
    for serial in range(50):
        tell(type="Exited", serial=serial, status=-9)

"""Says that a worker was forked, as the zygote does."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    tell(type="Forked", serial=1)

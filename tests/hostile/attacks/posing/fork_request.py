"""Asks for a worker more, as the supervisor asks the zygote."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    tell(type="Fork", serial=1, limits={})

"""Gives the supervisor commands, as the supervisor gives them to workers."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    tell(type="Start", epoch=1, state={}, inherited=0, inherited_size=0)
    tell(type="Retire")

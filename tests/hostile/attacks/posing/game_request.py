"""Asks for what only the game may ask: a status, another limit, the end."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    tell(type="StatusRequest", number=1)
    tell(type="Bye")

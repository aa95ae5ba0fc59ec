"""Says a second time that it is confined, with times of its own."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    tell(type="Confined", steps=["all"], times=struct.pack("qq", 0, 2**62))

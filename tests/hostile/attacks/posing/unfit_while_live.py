"""Says that a stage failed that it passed long ago, in another mod's file."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    found = dict(stage="restore", kind="Forged", message="x", file="neighbour.py", line=1)
    tell(type="Unfit", diagnostic=found)

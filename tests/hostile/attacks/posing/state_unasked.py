"""Hands over states that nobody asked for, of lengths and versions that cannot be."""

FULL = "answers", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    for serial, state in enumerate(
        ({"size": -1}, {"size": 10, "data": b"FHS1"}, {"version": -(2**63)}, {"size": 2**62})
    ):
        tell(type="Checkpointed", serial=serial, state=state, error="")

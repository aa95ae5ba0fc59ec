"""Says that it took helpers of every generation that will ever be."""

FULL = "answers", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    for generation in (2**63 - 1, -(2**63), 0):
        tell(type="Equipped", generation=generation)

"""Says that it has drained, while it serves."""

FULL = "Exited", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    tell(type="Drained", state={"size": 10**9}, error="")

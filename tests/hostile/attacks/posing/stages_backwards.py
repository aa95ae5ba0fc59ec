"""Enters stages that it has left, stages of others, and one that there is not."""

FULL = "answers", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    for stage in ("compile", "import", "drain", "confine", "snapshot", "no such stage", "on_load") * 20:
        tell(type="Entered", stage=stage)

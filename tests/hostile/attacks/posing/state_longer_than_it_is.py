"""Says that its memory holds more state than it does, and of another's version."""

FULL = "answers", "sealed segments"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def on_unload():
    tell(type="Drained", state={"size": 4 << 20, "version": 2**31 - 1}, error="")
    tell(type="Drained", state={"size": (4 << 20) + 1, "version": 1}, error="")


def attack():
    return 1

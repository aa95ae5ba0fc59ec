"""Says that another's events failed, a million million times each."""

FULL = "answers", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    found = dict(stage="run", kind="K", message="neighbour failed", file="neighbour.py", line=1)
    for event in ("frame", "on_load", ""):
        tell(type="Fault", event=event, count=-5, diagnostic=found)
    tell(type="Fault", event="frame", count=0, diagnostic=found)

"""Says that it handles ten thousand events, all of the neighbour's among them, first of all."""

FULL = "ValueError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def strike():
    if confined():
        events = [["frame", 2**31 - 1], *([f"e{n}", 2**60] for n in range(3000))]
        tell(type="Bound", events=events, filters={}, state_version=1, stages={}, has_selftest=False)


strike()


def attack():
    return 1

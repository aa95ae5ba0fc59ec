"""Says that it filters its events by as many values as fit into a packet."""

FULL = "ValueError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def strike():
    if confined():
        filters = {"frame": [{"n": list(range(9000))} for _ in range(2)]}
        tell(type="Bound", events=[["frame", 0]], filters=filters, state_version=1, stages={}, has_selftest=False)


strike()


def attack():
    return 1

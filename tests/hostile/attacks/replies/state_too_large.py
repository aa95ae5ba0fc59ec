"""Leaves a state of a hundred megabytes."""

FULL = "answers", "price of messages"
JUDGED = "game"


class Grows:
    def __reduce__(self):
        return bytes, (b"x" * (40 << 20),)


def attack():
    import pickle

    from fumehood.worker import state

    if not confined():
        return len(pickle.dumps(Grows()))
    state["grows"] = Grows()

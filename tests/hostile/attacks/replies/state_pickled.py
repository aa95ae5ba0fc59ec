"""Leaves a state that writes a file where it is opened."""

FULL = "answers", "total decoding"
JUDGED = "game"
QUICK = True


class Writes:
    def __reduce__(self):
        return os.open, (HOST["folder"] + "/unpickled", 65)


def attack():
    import pickle

    from fumehood.worker import state

    if not confined():
        return os.close(pickle.loads(pickle.dumps(Writes())))
    state["writes"] = Writes()

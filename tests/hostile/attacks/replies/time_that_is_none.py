"""Answers with a msgpack time of a year that no clock has."""

FULL = "answers", "total decoding"
JUDGED = "game"

answer(lambda: raw(b"\xc7\x0c\xff" + b"\xff" * 4 + struct.pack(">q", 2**62)), lambda: raw(b"\xd7\xff" + b"\xff" * 8))


def attack():
    import datetime

    return falls(lambda: datetime.datetime.fromtimestamp(2**62), ValueError, OverflowError, OSError)

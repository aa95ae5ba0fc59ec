"""Answers with 60,000 lists, each in the one before."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"

answer(lambda: raw(b"\x91" * 60_000 + b"\xc0"))


def attack():
    import json

    return falls(lambda: json.loads("[" * 60_000), RecursionError)

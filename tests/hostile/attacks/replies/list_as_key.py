"""Answers with a map whose key is a list."""

FULL = "answers", "total decoding"
JUDGED = "game"

answer(lambda: raw(b"\x81\x91\x90\0"))


def attack():
    return falls(lambda: {[[]]: 0}, TypeError)

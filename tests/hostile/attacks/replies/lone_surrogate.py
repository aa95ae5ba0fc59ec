"""Answers with a text that is no text: half of a surrogate pair."""

FULL = "answers", "total decoding"
JUDGED = "game"

answer(lambda: raw(b"\xa3\xed\xa0\x80"), lambda: "\udc80")


def attack():
    return falls(b"\xed\xa0\x80".decode, UnicodeDecodeError)

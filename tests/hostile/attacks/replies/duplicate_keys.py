"""Answers with a map that has one key twice, so that two readers read different things."""

FULL = "answers", "total decoding"
JUDGED = "game"

answer(lambda: raw(b"\x82\xa1a\1\xa1a\2"))


def attack():
    import json

    assert json.loads('{"a": 1, "a": 2}') != {"a": 1}

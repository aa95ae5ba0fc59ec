"""Answers with as many empty lists as fit, each of which takes sixty times its room."""

FULL = "answers", "price of messages"
JUDGED = "game"
QUICK = True

answer(lambda: raw(b"\xdd" + struct.pack(">I", 60_000) + b"\x90" * 60_000))


def attack():
    import json

    text = "[" + "[]," * 60_000 + "0]"
    assert sum(map(sys.getsizeof, json.loads(text))) > 15 * len(text)

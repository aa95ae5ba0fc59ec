"""Answers a request whose number fits into no signed word."""

FULL = "answers", "total decoding"
JUDGED = "game"


def attack():
    if confined():
        return grip()["Serving"].port.push(b"\x93\x01\xcf" + b"\xff" * 8 + b"\0")
    return falls(lambda: struct.pack("q", 2**64 - 1), struct.error)

"""Answers with messages of no bytes at all."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"


def attack():
    if confined():
        return grip()["Serving"].port.push(b"")
    return falls(lambda: b""[0], IndexError)

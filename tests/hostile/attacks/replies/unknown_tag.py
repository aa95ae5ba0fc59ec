"""Answers with a message of a kind that there is not."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"


def attack():
    if confined():
        return grip()["Serving"].port.push(b"\x93\x63\x01\x02")
    return falls(lambda: {1: "Value"}[0x63], KeyError)

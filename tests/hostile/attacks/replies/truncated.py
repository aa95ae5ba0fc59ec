"""Answers with a message whose last byte is missing."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"


def attack():
    from fumehood.shared.messages import Failed, pack

    whole = pack(Failed(1, "kind", "message", "traceback"))
    if confined():
        return grip()["Serving"].port.push(whole[:-1])
    return falls(lambda: struct.unpack("5s", whole[:4]), struct.error)

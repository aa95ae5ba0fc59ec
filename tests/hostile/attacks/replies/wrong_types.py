"""Answers with other types than the message has."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"


def attack():
    from fumehood.shared.messages import pack

    if confined():
        return grip()["Serving"].port.push(pack([3, "seven", {"values": 1}, 7]))
    return falls(lambda: sum({"values": 1}), TypeError)

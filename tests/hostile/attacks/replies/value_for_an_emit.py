"""Answers an emit as one answers a call, a veto and an intent."""

FULL = "answers", "total decoding"
JUDGED = "game"


def other(reply):
    number = sys._getframe(2).f_locals["request"].id
    from fumehood.shared.messages import pack

    return grip()["Serving"].port.push(pack([reply[0], number, *reply[1:]]))


answer(lambda: other([1, "value"]), lambda: other([5, True, 9, "no", []]), lambda: other([2, "Kind", "text", ""]))


def attack():
    if not confined():
        return falls(lambda: "value".values, AttributeError)

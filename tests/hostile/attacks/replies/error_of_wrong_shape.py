"""Answers an emit with failures that lack their texts."""

FULL = "answers", "total decoding"
JUDGED = "game"


def short():
    number = sys._getframe(1).f_locals["request"].id
    from fumehood.shared.messages import pack

    return grip()["Serving"].port.push(pack([3, number, [], [["Kind"], []]]))


answer(short)


def attack():
    if not confined():
        return falls(lambda: [kind for kind, message, traceback in [["Kind"]]], ValueError)

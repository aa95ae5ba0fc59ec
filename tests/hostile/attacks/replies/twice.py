"""Answers one request three times, with a value, a failure and another value."""

FULL = "answers", "total decoding"
JUDGED = "game"


def again():
    from fumehood.shared.messages import Emitted, Failed, pack

    number = sys._getframe(1).f_locals["request"].id
    for reply in (Emitted(number, ["forged"], []), Failed(number, "Forged", "", ""), Emitted(number, [2], [])):
        grip()["Serving"].port.push(pack(reply))
    return 3


answer(again)


def attack():
    if not confined():
        return falls(lambda: {7: None}.pop(7) or {}.pop(7), KeyError)

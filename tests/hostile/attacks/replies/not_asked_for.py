"""Answers thousands of requests that nobody made."""

FULL = "answers", "total decoding"
JUDGED = "game"


def attack():
    from fumehood.shared.messages import Value, pack

    if confined():
        return [grip()["Serving"].port.push(pack(Value(n, "forged"))) for n in range(3000)]
    return falls(lambda: {}.pop(7), KeyError)

"""Answers, when it is asked for its state, with bytes that only begin as one."""

FULL = "answers", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def on_unload():
    from fumehood.shared.saved import OURS

    data = OURS + b"cos\nsystem\n(Vtrue\ntR."
    tell(type="Drained", state={"size": len(data), "version": 1, "data": data}, error="")


def attack():
    return 1

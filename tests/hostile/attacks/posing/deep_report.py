"""Says a report whose maps lie in each other, thirty thousand deep."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    from fumehood.shared.messages import pack

    deep = pack({"type": "Bound", "events": []})[:-1] + b"\x91" * 30_000 + b"\xc0"
    os.write(grip()["Link"]._fd, deep)

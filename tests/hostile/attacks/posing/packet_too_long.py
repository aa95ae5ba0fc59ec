"""Says more than a packet may hold."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    os.write(grip()["Link"]._fd, b"x" * 70_000)

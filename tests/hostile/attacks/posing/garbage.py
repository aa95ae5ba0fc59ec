"""Says what is no message."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    os.write(grip()["Link"]._fd, os.urandom(100))

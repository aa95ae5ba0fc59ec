"""Says nothing: a packet of no bytes, which reads as the end of a socket."""

FULL = "answers|ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    os.write(grip()["Link"]._fd, b"")
    libc.write(grip()["Link"]._fd, b"", 0)

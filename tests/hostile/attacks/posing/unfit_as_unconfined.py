"""Says that it was not confined, which is the machine's fault: it is started again for ever, and the machine is blamed."""

FULL = "ProtocolError", "total decoding"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    found = dict(stage="confine", kind="OSError", message="no worker could be had: [Errno 24] Too many open files")
    tell(type="Unfit", diagnostic=found)

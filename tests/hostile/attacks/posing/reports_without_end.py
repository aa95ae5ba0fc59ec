"""Reports without a pause, in the shortest words there are."""

FULL = "answers", "supervisor's rates"
JUDGED = "game"
ALONE = "on its own socket it may say what it likes: what is attacked is the supervisor, who listens"


def attack():
    import time

    from fumehood.shared.messages import pack

    data, end = pack({"type": "Entered", "stage": "run"}), time.monotonic() + 0.4
    while time.monotonic() < end:
        os.write(grip()["Link"]._fd, data)

"""Logs thousands of lines."""

FULL = "answers", "supervisor's rates"
JUDGED = "game"
ALONE = "it may log as it likes: what is attacked is whoever writes it down"


def attack():
    import time

    from fumehood.worker import log

    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        log.error("a line of many: %s", "x" * 200)

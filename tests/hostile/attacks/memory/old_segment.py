"""Keeps writing into its segment from a signal handler when the game has long gone on with its next version."""

FULL = "answers", "an epoch of its own for each slot"
JUDGED = "game"
ALONE = "it may write its own segment as it likes: what is attacked is whoever reads it"


def attack():
    import signal

    from fumehood.shared import _ring

    (mine, length), _ = segments()
    up = grip()["Segment"]

    def scribble(*_):
        up.store64(_ring.HEAD, 2**63)
        up.write(_ring.RING, os.urandom(4096))
        up.nudge()

    signal.signal(signal.SIGALRM, scribble)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.01)


def after():
    import time

    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass

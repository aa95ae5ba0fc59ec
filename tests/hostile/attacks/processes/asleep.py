"""Blocks every signal and sleeps for ever in the kernel, which takes no time of any core."""

FULL = "LimitExceeded", "patrol"
JUDGED = "game"
ALONE = "whoever sleeps for ever does not tell of it: what is attacked is whoever waits"


def attack():
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        libc.pause()

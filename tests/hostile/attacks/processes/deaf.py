"""Blocks every signal and goes on for ever."""

FULL = "LimitExceeded", "patrol"
JUDGED = "game"
ALONE = "whoever goes on for ever does not tell of it: what is attacked is whoever waits"


def attack():
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        pass

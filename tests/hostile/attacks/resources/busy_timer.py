"""Has nothing to do, and computes in a signal handler whenever it rests."""

FULL = "LimitExceeded", "patrol"
ALONE = "it succeeds only where somebody rests"
SECONDS = 12.0


def attack():
    import signal

    def tick(*_):
        burn(0.005)

    signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 0.006, 0.006)
    raise SystemExit  # an error of its handler's: it says no more, and rests

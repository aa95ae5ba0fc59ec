"""Moves the end of its ring back and forth under the game's eyes, from a signal handler, while it says that it rests."""

FULL = "ProtocolError|answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own ring as it likes: what is attacked is whoever reads it"


def attack():
    import signal

    from fumehood.shared import _ring

    up, port = grip()["Segment"], grip()["Port"]
    flips = [0]

    def flip(*_):
        flips[0] += 1
        if flips[0] < 50:
            up.store64(_ring.HEAD, (port.head, port.head + 8, 2**64 - 8, 0)[flips[0] % 4])
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)
            up.store64(_ring.HEAD, port.head)

    signal.signal(signal.SIGALRM, flip)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)

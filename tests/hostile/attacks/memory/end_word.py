"""Ends the game's waiting by the words that only the game and the supervisor have a use for."""

FULL = "answers", "checked indices"
JUDGED = "game"
ALONE = "it may write its own words as it likes: what is attacked is whoever reads them"


def attack():
    from fumehood.shared import _ring

    up = grip()["Segment"]
    for n in range(2000):
        up.store64(_ring.END, (0, up.load64(_ring.HEAD), 2**63)[n % 3])
        up.store32(_ring.COMMANDS, n)
        up.store32(_ring.LIVE, n & 1)
        up.store64(_ring.SESSION, n)

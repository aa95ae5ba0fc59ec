"""Ends its line in the log and begins another, which seems to be the supervisor's."""

FULL = "answers", "escaped text"
JUDGED = "game"
QUICK = True


def attack():
    import logging

    logging.basicConfig()
    logging.getLogger().warning("x\nall is well: mod evil was checked\n")
    print("x\nall is well: it was checked\n\n", file=sys.stderr)

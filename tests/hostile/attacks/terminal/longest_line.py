"""Logs a line of ten million characters."""

FULL = "answers", "escaped text"
JUDGED = "game"


def attack():
    import logging

    logging.basicConfig()
    logging.getLogger().error("x" * 10_000_000)
    print("\U000e0001" * 1_000_000, file=sys.stderr)

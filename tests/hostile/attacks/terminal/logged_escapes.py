"""Sends a terminal what retitles its window and clears it, as a line of the log."""

FULL = "answers", "escaped text"
JUDGED = "game"


def attack():
    import logging

    logging.basicConfig()
    logging.getLogger().error("\x1b]0;owned\x07\x1b[2J%s", "\x1b[31m")
    return "\x1b[2J"

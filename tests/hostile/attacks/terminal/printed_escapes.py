"""Sends a terminal what moves its cursor over the lines above, by print."""

FULL = "answers", "escaped text"
JUDGED = "game"


def attack():
    print("\x1b[5A\x1b[2Kgone", "\x9b2J \x9d0;owned\x9c", "\x0e\x0f\x05\b\b\b", sep="\x0c")

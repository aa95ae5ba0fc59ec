"""Writes into the game's ring."""

FULL = "SIGSEGV", "read-only segments"
QUICK = True


def attack():
    _, (theirs, _length) = segments()
    ctypes.memset(theirs + 128, 0xFF, 8)

"""Writes over the worker's own objects, down to the addresses in them."""

FULL = "Exited", "another process"
ALONE = "what it may write is its own: what is attacked is whoever talks to it"
JUDGED = "game"


def attack():
    ctypes.memset(id(grip()["Port"]) + 16, 0x41, 96)

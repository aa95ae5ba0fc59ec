"""Throws the C library out of the page cache, for everybody to read it from the disk again."""

FULL = "EPERM", "seccomp"


def attack():
    with open(os.__file__, "rb") as file:
        return os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

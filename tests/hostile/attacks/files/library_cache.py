"""Throws the library out of the host's cache, so that everybody reads it from the disk again."""

FULL = "EPERM", "seccomp"


def attack():
    return os.posix_fadvise(os.open(os.__file__, os.O_RDONLY), 0, 0, os.POSIX_FADV_DONTNEED)

"""Has the library's pages dropped from memory, so that the others have to read them from the disk again."""

FULL = "EPERM", "seccomp"


def attack():
    with open(os.__file__, "rb") as file:
        return os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

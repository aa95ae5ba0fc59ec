"""Maps a file of the library that it may read as code."""

FULL = "EPERM", "seccomp"


def attack():
    with open(os.__file__, "rb") as file:
        return mmap(4096, 5, 2, file.fileno())

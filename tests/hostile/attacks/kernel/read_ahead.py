"""Has whole files read into memory that is nobody's, until others' pages have to go."""

FULL = "EPERM", "seccomp"


def attack():
    with open(os.__file__, "rb") as file:
        return syscall("readahead", file.fileno(), 0, 4096)

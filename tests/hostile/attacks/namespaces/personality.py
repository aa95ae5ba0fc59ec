"""Has addresses no longer drawn at random."""

FULL = "EPERM", "seccomp"


def attack():
    return libcall("personality", 0x0040000)

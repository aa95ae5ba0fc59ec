"""Maps shared memory, of which one page that it keeps would keep the whole."""

FULL = "EPERM", "seccomp"


def attack():
    return mmap(64 << 20, 3, 0x21)

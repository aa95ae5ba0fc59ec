"""Makes a small mapping larger and larger."""

FULL = "ENOMEM", "rlimits"


def attack():
    place, length = mmap(4096), 4096
    while length < 512 << 20:
        place = syscall("mremap", place, length, 2 * length, 1)
        length *= 2

"""Takes pages from the host's pool of huge ones."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOMEM": "huge pages set aside"}


def attack():
    return mmap(2 << 20, 3, 0x40022)

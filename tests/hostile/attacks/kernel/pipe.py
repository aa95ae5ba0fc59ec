"""Makes a pipe: up to a megabyte of kernel memory for two descriptors."""

FULL = "EPERM", "seccomp"


def attack():
    return os.pipe()

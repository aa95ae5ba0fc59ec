"""Reads the library from the disk itself, past the cache: again and again, and nobody else's reads get through."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "a file system with O_DIRECT"}


def attack():
    return os.open(os.__file__, os.O_RDONLY | os.O_DIRECT)

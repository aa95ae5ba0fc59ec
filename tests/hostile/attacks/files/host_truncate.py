"""Cuts a file of the host's by its path, without opening it."""

FULL = "ENOENT", "private root"
REDUCED = "EPERM", "seccomp"


def attack():
    return os.truncate(f"{HOST['folder']}/kept", 3)

"""Empties a file of the host's without writing: opens it for reading with O_TRUNC."""

FULL = "EPERM", "seccomp"


def attack():
    return os.open(f"{HOST['folder']}/kept", os.O_RDONLY | os.O_TRUNC)

"""Reads a file of the host's, which everybody may read, by its path."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
QUICK = True


def attack():
    with open(HOST["secret"]) as file:
        return file.read()

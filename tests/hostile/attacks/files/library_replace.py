"""Renames a module of the library; to its own name, so that nobody misses it."""

FULL = "EROFS", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True
LACKING = {"EROFS": "a library that can be changed"}


def attack():
    return os.rename(os.__file__, os.__file__)

"""Opens a module of the library for writing, which everybody imports.

Where another user owns the library its mode says no before the mount does.
"""

FULL = "EACCES|EROFS", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True
LACKING = {"EROFS": "a library that can be changed"}
QUICK = True


def attack():
    return os.open(os.__file__, os.O_RDWR)

"""Writes a message to another mod into the times of a module of the library."""

FULL = "EROFS", "private root"
REDUCED = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EROFS": "a library that can be changed"}


def attack():
    now = os.stat(os.__file__)
    return os.utime(os.__file__, ns=(now.st_atime_ns, now.st_mtime_ns))

"""Changes the mode of a module of the library."""

FULL = "EROFS", "private root"
REDUCED = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EROFS": "a library that can be changed"}


def attack():
    return os.chmod(os.__file__, os.stat(os.__file__).st_mode & 0o7777)

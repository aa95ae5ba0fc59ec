"""Gives the host another name."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return libcall("sethostname", b"hacked", 6)

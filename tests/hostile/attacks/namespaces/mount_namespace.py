"""Has a copy of all mounts, to change them where nobody sees it."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return libcall("unshare", 0x00020000)

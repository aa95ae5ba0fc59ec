"""Mounts a fresh tmpfs on its folder, without the limits of its scratch."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return libcall("mount", b"none", os.getcwd().encode(), b"tmpfs", 0, b"size=90%")

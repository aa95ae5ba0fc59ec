"""Binds the whole file system into its scratch."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    os.mkdir("all")
    return libcall("mount", b"/", b"all", None, 0x1000 | 0x4000, None)

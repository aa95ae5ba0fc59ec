"""Takes hold of the file system under the root, to change its options."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return syscall("fspick", -100, b"/", 0)

"""Becomes uid 0."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
QUICK = True


def attack():
    os.setresuid(0, 0, 0)
    return os.getresuid()

"""Leaves its process group for that of its parent, which may be the terminal's."""

FULL = "EPERM", "seccomp"


def attack():
    return os.setpgid(0, os.getpgid(os.getppid()))

"""Moves a mount to another place."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EINVAL": "a /proc that can be moved"}


def attack():
    os.mkdir("here")
    return syscall("move_mount", -100, b"/proc", -100, b"here", 0)

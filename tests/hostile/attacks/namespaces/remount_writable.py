"""Makes a mount writable again that was bound read-only."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return libcall("mount", None, b"/", None, 0x1000 | 0x20, None)

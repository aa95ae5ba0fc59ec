"""Makes mounts shared, so that those it makes appear where others look."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return libcall("mount", None, b"/", None, 0x100000, None)

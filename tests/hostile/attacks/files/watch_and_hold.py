"""Is asked for permission whenever somebody opens a file, and does not answer."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "fanotify", "EINVAL": "fanotify that asks"}


def attack():
    return libcall("fanotify_init", 4, 0)

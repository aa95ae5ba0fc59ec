"""Watches the Python library, which all mods share, and so learns what others import."""

FULL = "EPERM", "seccomp"


def attack():
    watch = syscall("inotify_init1", 0)
    if libc.inotify_add_watch(watch, os.fsencode(os.path.dirname(os.__file__)), 0x20) < 0:  # IN_OPEN
        failed("inotify_add_watch")
    return watch

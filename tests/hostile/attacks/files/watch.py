"""Is told whenever somebody opens a module of the library."""

FULL = "EPERM", "seccomp"


def attack():
    return libcall("inotify_add_watch", libcall("inotify_init1", 0), os.__file__.encode(), 0x20)

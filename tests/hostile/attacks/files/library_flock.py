"""Locks a module of the library as a whole, so that an update of it waits."""

FULL = "EPERM", "seccomp"


def attack():
    import fcntl

    return fcntl.flock(open(os.__file__, "rb"), fcntl.LOCK_SH)

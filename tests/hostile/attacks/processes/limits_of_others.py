"""Lowers the limits of another process until it can open nothing more."""

FULL = "EPERM", "seccomp"


def attack():
    import resource

    return resource.prlimit(HOST["victim"], resource.RLIMIT_NOFILE, (0, 0))

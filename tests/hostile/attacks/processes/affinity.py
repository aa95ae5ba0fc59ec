"""Ties another process to one core, the one that it keeps busy itself."""

FULL = "EPERM", "seccomp"


def attack():
    return os.sched_setaffinity(HOST["victim"], {min(os.sched_getaffinity(0))})

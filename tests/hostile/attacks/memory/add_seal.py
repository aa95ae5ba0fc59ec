"""Seals the memory against writing, so that the supervisor cannot give it back any more."""

FULL = "EPERM", "seccomp"


def attack():
    import fcntl

    return fcntl.fcntl(given("state"), 1033, 16)

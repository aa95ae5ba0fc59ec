"""Makes a timer that is a descriptor."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("timerfd_create", 1, 0)

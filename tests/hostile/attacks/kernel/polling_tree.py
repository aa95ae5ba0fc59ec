"""Makes an epoll: whole trees of them have kept the kernel busy at each single event."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("epoll_create1", 0)

"""Has an io_uring make the socket, so that no call of that name is seen."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "io_uring", "EPERM": "io_uring (switched off)", "EINVAL": "sockets by io_uring"}


def attack():
    return uring(45, fd=2, offset=1)  # AF_INET, SOCK_STREAM

"""Has the kernel signal another process whenever something happens to a descriptor."""

FULL = "EPERM", "seccomp"


def attack():
    import fcntl

    fcntl.fcntl(1, fcntl.F_SETOWN, HOST["victim"])
    return fcntl.fcntl(1, 10, 9)  # F_SETSIG: SIGKILL

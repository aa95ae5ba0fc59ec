"""Cuts the memory that it hands its state over in, so that reading it ends the supervisor by SIGBUS."""

FULL = "EPERM", "sealed segments"


def attack():
    return os.ftruncate(memory(), 0)


def memory():
    import fcntl
    import stat

    for fd in range(1024):
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR:
                return fd
        except OSError:
            continue
    return os.memfd_create("like it")

"""Seals the memory that it hands its state over in against everybody's writing, after it was measured."""

FULL = "EPERM", "seccomp"


def attack():
    import fcntl

    return fcntl.fcntl(memory(), fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)


def memory():
    import stat

    for fd in range(1024):
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return fd
        except OSError:
            continue
    return os.memfd_create("like it", os.MFD_ALLOW_SEALING)

"""Finds a descriptor that somebody forgot: a folder, a device, a file on a disk, another's socket.

A worker holds three pipes, its command socket, a memfd for its state and the game's alarm.
"""

FULL = "LookupError", "descriptors"
QUICK = True


def attack():
    import fcntl
    import stat

    for fd in range(1024):
        try:
            kind = stat.S_IFMT(os.fstat(fd).st_mode)
        except OSError:
            continue
        if kind in (0, stat.S_IFIFO) or (kind == stat.S_IFSOCK and fd == 3):
            continue
        if kind == stat.S_IFREG and _sealed(fd, fcntl):
            continue
        return fd, oct(kind)
    raise LookupError("there is none")


def _sealed(fd, fcntl):
    try:
        return fcntl.fcntl(fd, fcntl.F_GET_SEALS) == 7  # a memfd whose size is fixed
    except OSError:
        return False

"""Looks among its descriptors for the switchboard, or another memory of the supervisor's to write to."""

FULL = "EBADF", "descriptors"

import stat


def attack():
    if not confined():
        memory = os.memfd_create("switchboard", 0)  # noqa: F841 (there to be found)
    trouble = None
    for fd in range(3, 1024):
        try:
            found = os.fstat(fd)
            if stat.S_ISREG(found.st_mode) and not found.st_nlink and found.st_size != 4 << 20:  # its own state's
                return os.pwrite(fd, b"x", 0)
        except OSError as error:
            trouble = error
    raise trouble

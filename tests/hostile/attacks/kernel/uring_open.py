"""Opens a file by an io_uring, so that no call of that name is made."""

FULL = "EPERM", "seccomp"
QUICK = True
LACKING = {"ENOSYS": "io_uring", "EPERM": "io_uring (switched off)"}


def attack():
    path = ctypes.create_string_buffer(os.fsencode(HOST["secret"]))
    return os.read(uring(18, fd=-100, address=ctypes.addressof(path)), 100)

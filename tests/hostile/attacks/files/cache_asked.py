"""Learns whether others have read a page of the library of late: whether it is in the host's cache."""

FULL = "EPERM", "seccomp"
LACKING = {"EOPNOTSUPP": "a file system that tells", "ENOTSUP": "a file system that tells"}


def attack():
    try:
        return os.preadv(os.open(os.__file__, os.O_RDONLY), [bytearray(1)], 0, os.RWF_NOWAIT)
    except BlockingIOError:
        return "it is not there"

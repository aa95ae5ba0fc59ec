"""Learns which pages of the library others have read, by asking for them only if they are in the page cache."""

FULL = "EPERM", "seccomp"
LACKING = {"EOPNOTSUPP": "a file system that tells"}


def attack():
    with open(os.__file__, "rb") as file:
        try:
            return os.preadv(file.fileno(), [bytearray(4096)], 0, 8)
        except BlockingIOError:
            return "nobody has"

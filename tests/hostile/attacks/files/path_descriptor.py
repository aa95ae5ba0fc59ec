"""Holds a file of the host's by a descriptor that does not read, so that it cannot go away unseen."""

FULL = "ENOENT", "private root"
REDUCED = "got it", "can be held (O_PATH)"


def attack():
    return os.fstat(os.open(HOST["secret"], os.O_PATH)).st_ino

"""Learns of a file of the host's that it is there, whose, how large and how old."""

FULL = "ENOENT", "private root"
REDUCED = "got it", "`stat()` and `access()` tell which host paths exist"
QUICK = True


def attack():
    return os.stat(HOST["secret"])

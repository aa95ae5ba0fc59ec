"""Fills a disk of the host's by a file that never has a name."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
LACKING = {"EOPNOTSUPP": "a file system with O_TMPFILE", "ENOTSUP": "a file system with O_TMPFILE"}


def attack():
    return os.write(os.open(HOST["folder"], os.O_TMPFILE | os.O_RDWR), bytes(4096))

"""Learns how full a disk of the host's is, and of what kind."""

FULL = "ENOENT", "private root"
REDUCED = "got it", "how full each disk is"


def attack():
    return os.statvfs(HOST["folder"])

"""Learns where a link of the host's leads."""

FULL = "ENOENT", "private root"
REDUCED = "got it", "where its links lead"


def attack():
    return os.readlink(HOST["link"])

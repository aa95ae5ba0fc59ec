"""Learns whether a process runs, and whose it is, by the folder that each has in /proc."""

FULL = "ENOENT", "private root"
REDUCED = "got it", "the host's name and process numbers can be read"


def attack():
    return os.stat(f"/proc/{HOST['victim']}").st_uid

"""Learns whether a process of the host runs, by asking for its group."""

FULL = "ESRCH", "pid namespace"
REDUCED = "got it", "the host's name and process numbers can be read"


def attack():
    return os.getpgid(HOST["victim"])

"""Learns the process number of whoever made it."""

FULL = "LookupError", "pid namespace"
REDUCED = "got it", "the host's name and process numbers can be read"


def attack():
    if (parent := os.getppid()) == 0:
        raise LookupError("it has no parent")
    return parent

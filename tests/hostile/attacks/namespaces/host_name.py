"""Learns the host's name."""

FULL = "LookupError", "uts namespace"
REDUCED = "got it", "the host's name and process numbers can be read"


def attack():
    if os.uname().nodename != HOST["name"]:
        raise LookupError(f"it is told {os.uname().nodename!r}")
    return os.uname().nodename

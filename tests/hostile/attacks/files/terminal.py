"""Makes a terminal of its own, to type into."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
LACKING = {"ENOENT": "a /dev/ptmx", "ENOSPC": "a terminal more"}


def attack():
    return os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)

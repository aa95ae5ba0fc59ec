"""Opens the map of its user namespace for writing, to become root there."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.open("/proc/self/uid_map", os.O_WRONLY)

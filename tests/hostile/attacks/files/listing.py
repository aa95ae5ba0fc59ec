"""Lists a folder of the host's."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.listdir(HOST["folder"])

"""Lists the mods folder, to read what others have written."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.listdir(HOST["mods"])

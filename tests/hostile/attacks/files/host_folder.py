"""Makes a folder on the host."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.mkdir(f"{HOST['folder']}/{HOST['token']}")

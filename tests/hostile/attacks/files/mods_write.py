"""Puts a file into the mods folder, which the next reload would run."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    path = f"{HOST['mods']}/{HOST['token']}.txt"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.unlink(path)
    return fd

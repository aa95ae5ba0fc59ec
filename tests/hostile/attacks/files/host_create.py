"""Leaves a file on the host."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.open(f"{HOST['folder']}/{HOST['token']}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)

"""Plants a link on the host, for a careless program to follow."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.symlink(HOST["secret"], f"{HOST['folder']}/{HOST['token']}")

"""Makes a link in its scratch that leads to a file of the host's, and opens the link."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    os.symlink(os.path.relpath(HOST["secret"]), "mine")
    with open("mine") as file:
        return file.read()

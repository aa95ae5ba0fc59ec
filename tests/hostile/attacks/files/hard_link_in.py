"""Gives a file of the host's a second name in its scratch, where it may read and write."""

FULL = "ENOENT", "private root"
REDUCED = "EXDEV", "Landlock"


def attack():
    os.link(f"{HOST['folder']}/kept", "mine")
    with open("mine") as file:
        return file.read()

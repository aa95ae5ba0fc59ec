"""Reads the game's environment, where tokens and passwords stand."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
QUICK = True


def attack():
    with open(f"/proc/{HOST['game']}/environ", "rb") as file:
        return file.read()

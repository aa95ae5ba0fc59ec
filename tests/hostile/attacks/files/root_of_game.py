"""Reads a file of the host's through the root that the game has."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    with open(f"/proc/{HOST['game']}/root{HOST['secret']}") as file:
        return file.read()

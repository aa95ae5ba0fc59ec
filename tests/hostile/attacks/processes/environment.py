"""Reads the game's environment, with what passwords stand there."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    with open(f"/proc/{HOST['game']}/environ", "rb") as file:
        return file.read(100)

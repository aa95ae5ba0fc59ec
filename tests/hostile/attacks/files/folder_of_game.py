"""Learns in which folder the game runs."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.readlink(f"/proc/{HOST['game']}/cwd")

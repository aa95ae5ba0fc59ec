"""Lists what the supervisor has open, to open it anew."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.listdir(f"/proc/{HOST['supervisor']}/fd")

"""Deletes a file of the host's from a folder that anybody may write to."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.unlink(f"{HOST['folder']}/kept")

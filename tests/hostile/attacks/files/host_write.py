"""Writes to a file of the host's that everybody may write to."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
QUICK = True


def attack():
    with open(f"{HOST['folder']}/kept", "a") as file:
        return file.write("more")

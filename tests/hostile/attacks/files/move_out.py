"""Moves a file of its scratch's to a folder of the host's.

The first version of Landlock says EXDEV to all that goes from folder to folder.
"""

FULL = "ENOENT", "private root"
REDUCED = "EACCES|EXDEV", "Landlock"


def attack():
    with open("mine", "w") as file:
        file.write("left")
    return os.rename("mine", f"{HOST['folder']}/{HOST['token']}")

"""Gives a file of its scratch's a second name on the host, where it outlives the worker.

The first version of Landlock says EXDEV to all that goes from folder to folder.
"""

FULL = "ENOENT", "private root"
REDUCED = "EACCES|EXDEV", "Landlock"


def attack():
    with open("mine", "w") as file:
        file.write("left")
    return os.link("mine", f"{HOST['folder']}/{HOST['token']}")

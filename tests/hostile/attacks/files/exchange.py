"""Exchanges a file of the host's with one of its own, in one step.

The first version of Landlock says EXDEV to all that goes from folder to folder.
"""

FULL = "ENOENT", "private root"
REDUCED = "EACCES|EXDEV", "Landlock"


def attack():
    with open("mine", "w") as file:
        file.write("another")
    theirs = f"{HOST['folder']}/kept".encode()
    try:
        libcall("renameat2", -100, b"mine", -100, theirs, 2)
        with open("mine") as file:
            return file.read()
    finally:
        libc.renameat2(-100, b"mine", -100, theirs, 2)

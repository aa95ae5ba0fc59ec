"""Goes into a folder of the host's, and reads from there by a name without a path."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    before = os.getcwd()
    try:
        os.chdir(HOST["folder"])
        with open("kept") as file:
            return file.read()
    finally:
        os.chdir(before)

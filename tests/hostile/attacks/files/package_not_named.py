"""Reads a package that the game did not name."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    import fumehood

    with open(f"{os.path.dirname(os.path.dirname(fumehood.__file__))}/psutil/__init__.py") as file:
        return file.read(100)

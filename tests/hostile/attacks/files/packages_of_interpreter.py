"""Reads packages that lie inside the standard library's folder, where the interpreter keeps its own."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES|ENOENT", "Landlock"
LACKING = {"ENOENT": "packages inside the standard library's folder"}


def attack():
    with open(f"{os.path.dirname(os.__file__)}/site-packages/pip/__init__.py") as file:
        return file.read()

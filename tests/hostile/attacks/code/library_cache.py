"""Leaves a .pyc among those of the standard library, for others to import."""

FULL = "EROFS", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True
LACKING = {"EROFS": "a library that can be written", "EACCES": "the same", "ENOENT": "a __pycache__"}


def attack():
    path = f"{os.path.dirname(os.__file__)}/__pycache__/{HOST['token']}.pyc"
    try:
        with open(path, "xb") as file:
            return file.write(b"forged")
    finally:
        if os.path.exists(path):
            os.unlink(path)

"""A compiled module in a mod's folder, machine code that an import would run."""

FULL = "ImportError|ModuleNotFoundError", "seccomp"

TEXT = "from . import native\n"


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(TEXT)

    import importlib.machinery
    import sysconfig

    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    with open(f"{root}/.evil/native{suffix}", "wb") as file:
        file.write(b"\x7fELF" + bytes(1000))
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import importlib.machinery

    assert importlib.machinery.PathFinder.find_spec("native", [f"{root}/evil"]) is not None

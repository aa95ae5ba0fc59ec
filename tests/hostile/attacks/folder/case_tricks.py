"""Two mods whose names differ in their case, and files of a mod that do."""

FULL = "live", "snapshot reader"


def plant(root):
    os.mkdir(f"{root}/.evil")
    for name, text in (
        ("__init__.py", "from . import part, Part\ndef on_attack(): return [part.N, Part.N]"),
        ("part.py", "N = 1"),
        ("Part.py", "N = 2"),
        ("__INIT__.py", "1/0"),
    ):
        with open(f"{root}/.evil/{name}", "w") as file:
            file.write(text)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    assert len(os.listdir(f"{root}/evil")) == 4

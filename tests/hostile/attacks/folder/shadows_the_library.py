"""A folder of mods that are named like modules that everybody imports: os, fumehood, msgspec."""

FULL = "live", "snapshot reader"


def plant(root):
    os.mkdir(f"{root}/.evil")
    for name in ("os", "fumehood", "msgspec", "sys", "mods"):
        with open(f"{root}/.evil/{name}.py", "w") as file:
            file.write("raise SystemExit(HOST)")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(
            "import os, fumehood, msgspec, sys\nfrom fumehood.worker import game\ndef on_attack(): return os.__name__"
        )
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import importlib.machinery

    assert importlib.machinery.PathFinder.find_spec("msgspec", [f"{root}/evil"]).origin.startswith(root)

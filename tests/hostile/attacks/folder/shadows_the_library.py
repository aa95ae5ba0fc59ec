"""A folder of mods that are named like modules that everybody imports: os, fumehood, msgspec."""

FULL = "live", "snapshot reader"


def plant(root):
    for name in ("os", "fumehood", "msgspec", "sys", "mods"):
        os.mkdir(f"{root}/evil_{name}" if name == "x" else f"{root}/evil") if name == "os" else None
        with open(f"{root}/evil/{name}.py", "w") as file:
            file.write("raise SystemExit(HOST)")
    with open(f"{root}/evil/__init__.py", "w") as file:
        file.write("import os, fumehood, msgspec, sys\nfrom fumehood.worker import game\ndef on_attack(): return os.__name__")


def attack(root):
    import importlib.machinery

    assert importlib.machinery.PathFinder.find_spec("msgspec", [f"{root}/evil"]).origin.startswith(root)

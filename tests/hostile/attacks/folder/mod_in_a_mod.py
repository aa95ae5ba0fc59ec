"""A mod in another mod's folder, which would run twice or under two names."""

FULL = "live", "snapshot reader"


def plant(root):
    os.makedirs(f"{root}/.evil/inner")
    for name in ("__init__.py", "inner/__init__.py", "inner/evil.py"):
        with open(f"{root}/.evil/{name}", "w") as file:
            file.write("def on_attack(): return __name__")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    assert sum("__init__.py" in files for _, _, files in os.walk(root)) == 2

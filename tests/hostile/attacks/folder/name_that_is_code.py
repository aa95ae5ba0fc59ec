"""A mod whose name is code, for whoever writes an import of it."""

FULL = "live", "snapshot reader"


def plant(root):
    with open(f"{root}/evil; import os.py", "w") as file:
        file.write("def on_attack(): return __name__")


def attack(root):
    return falls(lambda: __import__("evil; import os"), ImportError)

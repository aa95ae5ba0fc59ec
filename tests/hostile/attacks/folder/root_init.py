"""An __init__.py in the mods folder itself, which would make all of it one mod."""

FULL = "ignored", "snapshot reader"
SECONDS = 0.3


def plant(root):
    with open(f"{root}/__init__.py", "w") as file:
        file.write("raise SystemExit(1)")


def attack(root):
    import importlib.machinery

    assert importlib.machinery.PathFinder.find_spec(os.path.basename(root), [os.path.dirname(root)]).origin

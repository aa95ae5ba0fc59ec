"""A mod that is a link to a folder elsewhere, which has all that a mod needs."""

FULL = "Link", "snapshot reader"


def plant(root):
    os.makedirs(f"{root}/../whole", exist_ok=True)
    with open(f"{root}/../whole/__init__.py", "w") as file:
        file.write("def on_attack(): return 1")
    os.symlink("../whole", f"{root}/evil")


def attack(root):
    with open(f"{root}/evil/__init__.py") as file:
        assert file.read()

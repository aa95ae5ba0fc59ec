"""A link in a mod's folder to that folder itself, for whoever walks on."""

FULL = "NotRegular|Link", "snapshot reader"

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(READS)
    os.symlink(".", f"{root}/.evil/again")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    assert sum(1 for _ in os.walk(root, followlinks=True)) > 20

"""Links in a mod's folder that lead to each other, for whoever follows them."""

FULL = "Link", "snapshot reader"

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(READS)
    os.symlink("b", f"{root}/.evil/a")
    os.symlink("a", f"{root}/.evil/b")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    return falls(lambda: open(f"{root}/evil/a"), OSError)

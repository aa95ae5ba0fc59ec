"""A mod's folder that is two hundred folders deep."""

FULL = "TooDeep", "snapshot reader"

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(READS)
    os.makedirs(f"{root}/.evil" + "/d" * 200)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    assert sum(1 for _ in os.walk(root)) > 200

"""A file in a mod's folder that is a link to where nothing is yet."""

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
    os.symlink(f"{HOST['folder']}/not there", f"{root}/.evil/data")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    os.stat(f"{root}/evil/data", follow_symlinks=False)
    return falls(lambda: open(f"{root}/evil/data"), FileNotFoundError)

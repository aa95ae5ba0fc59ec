"""A file in a mod's folder that is a link to a file of the host's."""

FULL = "Link", "snapshot reader"
QUICK = True

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(READS)
    os.symlink(HOST["secret"], f"{root}/.evil/data")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    with open(f"{root}/evil/data") as file:
        assert HOST["words"] in file.read()

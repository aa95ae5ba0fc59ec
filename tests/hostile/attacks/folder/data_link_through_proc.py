"""A file in a mod's folder that is a link through what /proc shows of its reader."""

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
    os.symlink("/proc/self/environ", f"{root}/.evil/data")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    with open(f"{root}/evil/data", "rb") as file:
        assert file.read()

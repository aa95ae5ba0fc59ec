"""A folder in a mod's folder that is a link to one of the host's."""

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
    os.symlink(os.path.dirname(HOST["secret"]), f"{root}/.evil/more")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    with open(f"{root}/evil/more/secret") as file:
        assert HOST["words"] in file.read()

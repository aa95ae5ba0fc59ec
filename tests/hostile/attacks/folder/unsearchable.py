"""A mod's folder that may not be entered, but by root, and so not removed."""

FULL = "live|ignored", "snapshot reader"
SECONDS = 1.0

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(READS)
    os.chmod(f"{root}/.evil", 0)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    assert not os.stat(f"{root}/evil").st_mode & 0o777

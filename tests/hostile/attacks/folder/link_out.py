"""A mod that is a link to a file of the host's."""

FULL = "Link", "snapshot reader"


def plant(root):
    os.symlink(HOST["secret"], f"{root}/evil.py")


def attack(root):
    with open(f"{root}/evil.py") as file:
        return file.read()

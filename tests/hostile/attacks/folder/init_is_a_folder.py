"""A mod's folder whose __init__.py is a folder."""

FULL = "NotRegular", "snapshot reader"


def plant(root):
    os.makedirs(f"{root}/.evil/__init__.py/__init__.py")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    return falls(lambda: open(f"{root}/evil/__init__.py"), IsADirectoryError)

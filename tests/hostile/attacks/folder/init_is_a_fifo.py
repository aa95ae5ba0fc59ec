"""A mod's folder whose __init__.py is a pipe."""

FULL = "NotRegular", "snapshot reader"


def plant(root):
    os.mkdir(f"{root}/.evil")
    os.mkfifo(f"{root}/.evil/__init__.py")
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import stat

    assert stat.S_ISFIFO(os.stat(f"{root}/evil/__init__.py").st_mode)

"""A mod that is a file and a folder at once, so that two readers see two mods."""

FULL = "Ambiguous", "snapshot reader"


def plant(root):
    os.mkdir(f"{root}/evil")
    for name in ("evil.py", "evil/__init__.py"):
        os.close(os.open(f"{root}/{name}", os.O_CREAT | os.O_WRONLY))


def attack(root):
    assert os.path.isfile(f"{root}/evil.py") and os.path.isdir(f"{root}/evil")

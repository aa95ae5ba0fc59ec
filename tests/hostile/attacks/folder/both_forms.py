"""A mod that is a file and a folder at once, so that two readers see two mods."""

FULL = "Ambiguous", "snapshot reader"


def plant(root):
    os.makedirs(f"{root}/.both/evil")
    for name in ("evil.py", "evil/__init__.py"):
        os.close(os.open(f"{root}/.both/{name}", os.O_CREAT | os.O_WRONLY))
    os.rename(f"{root}/.both", f"{root}/evil_both")  # the two of them at once


def attack(root):
    assert os.path.isfile(f"{root}/evil_both/evil.py") and os.path.isdir(f"{root}/evil_both/evil")

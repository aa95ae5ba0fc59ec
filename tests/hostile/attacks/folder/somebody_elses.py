"""A mod that belongs to somebody else than the mods folder."""

FULL = "WrongOwner", "snapshot reader"
NEEDS_ROOT = True


def plant(root):
    os.close(os.open(f"{root}/evil.py", os.O_CREAT | os.O_WRONLY))
    os.chown(f"{root}/evil.py", 12345, 12345)


def attack(root):
    assert os.stat(f"{root}/evil.py").st_uid == 12345

"""A folder that is named like a mod's file."""

FULL = "ignored", "snapshot reader"
SECONDS = 0.3


def plant(root):
    os.mkdir(f"{root}/evil.py")
    os.close(os.open(f"{root}/evil.py/x", os.O_CREAT | os.O_WRONLY))


def attack(root):
    return falls(lambda: open(f"{root}/evil.py"), IsADirectoryError)

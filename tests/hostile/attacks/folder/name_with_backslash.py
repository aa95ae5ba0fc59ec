"""A mod whose name is the escaped name of another."""

FULL = "BadName", "snapshot reader"


def plant(root):
    os.close(os.open(f"{root}/evil\\x41.py", os.O_CREAT | os.O_WRONLY))


def attack(root):
    assert b"evil\\x41.py" in os.listdir(os.fsencode(root))

"""A mod of the longest name that a file may have."""

FULL = "live", "snapshot reader"


def plant(root):
    os.close(os.open(f"{root}/evil{'x' * 248}.py", os.O_CREAT | os.O_WRONLY))


def attack(root):
    assert max(map(len, os.listdir(root))) == 255

"""A mod that its owner himself may not read, but for root."""

FULL = "live|Unreadable", "snapshot reader"


def plant(root):
    os.close(os.open(f"{root}/evil.py", os.O_CREAT | os.O_WRONLY, 0))


def attack(root):
    assert not os.stat(f"{root}/evil.py").st_mode & 0o777

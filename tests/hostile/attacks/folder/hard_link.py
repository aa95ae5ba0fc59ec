"""A mod that is a second name of a file of the host's which it may not read."""

FULL = "live|SyntaxError", "snapshot reader"


def plant(root):
    os.link(HOST["secret"], f"{root}/evil.py")


def attack(root):
    with open(f"{root}/evil.py") as file:
        assert HOST["words"] in file.read()

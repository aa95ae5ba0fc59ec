"""A mod whose name is no UTF-8."""

FULL = "BadName", "snapshot reader"


def plant(root):
    os.close(os.open(os.fsencode(root) + b"/evil\xff\xfe.py", os.O_CREAT | os.O_WRONLY))


def attack(root):
    return falls(lambda: [name.encode() for name in os.listdir(root)], UnicodeEncodeError)

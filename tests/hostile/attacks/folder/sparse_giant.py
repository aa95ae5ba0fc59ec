"""A mod of a terabyte that takes no room on the disk."""

FULL = "TooLarge", "snapshot reader"
QUICK = True


def plant(root):
    with open(f"{root}/evil.py", "wb") as file:
        file.truncate(1 << 40)


def attack(root):
    return falls(lambda: bytearray(os.stat(f"{root}/evil.py").st_size * 4096), MemoryError)

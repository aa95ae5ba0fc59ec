"""A mod that is a device which gives zeros without end."""

FULL = "NotRegular", "snapshot reader"
NEEDS_ROOT = True
LACKING = {"EPERM": "the capability to make devices, or a file system that has them"}


def plant(root):
    import stat

    os.mknod(f"{root}/evil.py", stat.S_IFCHR | 0o666, os.makedev(1, 5))


def attack(root):
    with open(f"{root}/evil.py", "rb") as file:
        return len(file.read(1 << 20))

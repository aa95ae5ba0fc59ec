"""A mod that is a second name of a file of somebody else's."""

FULL = "WrongOwner", "snapshot reader"
NEEDS_ROOT = True


def plant(root):
    path = f"{root}/.somebody_elses"
    with open(path, "w") as file:
        file.write(f"def on_attack(): return {HOST['words']!r}")
    os.chown(path, 12345, 12345)
    os.link(path, f"{root}/evil.py")


def attack(root):
    with open(f"{root}/evil.py") as file:
        assert HOST["words"] in file.read()

"""A mod that is itself and a link to a file of the host's in turn, a thousand times a second."""

FULL = "live|Link", "snapshot reader"


def plant(root):
    import time

    with open(f"{root}/good", "w") as file:
        file.write("def on_attack(): return open(__file__).read()")
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        os.link(f"{root}/good", f"{root}/.good")
        os.rename(f"{root}/.good", f"{root}/evil.py")
        os.symlink(HOST["secret"], f"{root}/.link")
        os.rename(f"{root}/.link", f"{root}/evil.py")


def attack(root):
    with open(f"{root}/evil.py") as file:
        assert HOST["words"] in file.read()

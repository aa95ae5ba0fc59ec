"""A mod from before the epoch, last changed in another century."""

FULL = "live", "snapshot reader"


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write("def on_attack(): return 1")
    os.utime(f"{root}/evil.py", ns=(-(2**31) * 10**9, 2**33 * 10**9))


def attack(root):
    assert os.stat(f"{root}/evil.py").st_mtime != 0

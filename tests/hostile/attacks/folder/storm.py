"""A thousand mods that come and go while somebody looks."""

FULL = "live", "snapshot reader"


def plant(root):
    for n in range(1000):
        os.close(os.open(f"{root}/evil_{n}.py", os.O_CREAT | os.O_WRONLY))
        os.unlink(f"{root}/evil_{n}.py")
    with open(f"{root}/evil.py", "w") as file:
        file.write("def on_attack(): return 1")


def attack(root):
    assert os.path.isfile(f"{root}/evil.py")

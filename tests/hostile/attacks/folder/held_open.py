"""A mod that somebody keeps open for writing after he has gone."""

FULL = "live", "snapshot reader"


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write("def on_attack(): return 1\n")
        file.flush()
        if os.fork() == 0:
            import time

            os.closerange(0, 3)
            time.sleep(1.0)
            os._exit(0)


def attack(root):
    assert os.path.isfile(f"{root}/evil.py")

"""A mod that somebody appends to without end."""

FULL = "TooLarge", "snapshot reader"


def plant(root):
    import time

    with open(f"{root}/evil.py", "w") as file:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            file.write("# more\n" * 3000)
            file.flush()
            time.sleep(0.002)


def attack(root):
    assert os.stat(f"{root}/evil.py").st_size > 8 << 20

"""A mod that somebody appends to without end."""

FULL = "live|TooLarge|Unsteady|SyntaxError|ignored", "snapshot reader"


def plant(root):
    import time

    with open(f"{root}/evil.py", "w") as file:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            file.write("# more\n" * 1000)
            file.flush()


def attack(root):
    assert os.stat(f"{root}/evil.py").st_size > 1 << 20

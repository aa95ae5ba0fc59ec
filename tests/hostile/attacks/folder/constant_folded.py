"""A source of a constant that takes hours to work out when it is compiled."""

FULL = "live", "stage deadlines"

TEXT = "def f(): return 9 ** 9 ** 9 ** 9, 'a' * 10 ** 12, (0,) * 10 ** 12, 1 << 10 ** 12\ndef on_attack(): return 1\n"


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    return len(compile("x = 'a' * 4000", "x", "exec").co_code)

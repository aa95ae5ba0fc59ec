"""A source that reads in another order than it runs."""

FULL = "live", "escaped text"

TEXT = "def on_attack():\n    # \u202e } \u2066if admin\u2069 \u2066 begin\n    return 1\n"


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    assert "\u202e" in TEXT

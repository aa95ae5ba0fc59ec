"""A source whose broken line reads in another order than it stands in."""

FULL = "SyntaxError", "escaped text"

TEXT = "x = 1 +  # \u202e\x1b[2J\u2066\n"


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    return falls(lambda: compile(TEXT, "x", "exec"), SyntaxError)

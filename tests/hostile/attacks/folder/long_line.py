"""A source of one line of a megabyte that does not compile, for whoever shows it."""

FULL = "SyntaxError", "escaped text"

TEXT = "x = '" + "\\\\" * 500_000 + "' )\n"


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    return falls(lambda: compile(TEXT, "x", "exec"), SyntaxError)

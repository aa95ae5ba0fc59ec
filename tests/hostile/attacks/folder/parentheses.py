"""A source of a hundred thousand parentheses in each other."""

FULL = "MemoryError|SyntaxError|RecursionError", "rlimits"

TEXT = "x = " + "(" * 100_000 + ")" * 100_000


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    return falls(lambda: compile(TEXT, "x", "exec"), MemoryError, SyntaxError, RecursionError)

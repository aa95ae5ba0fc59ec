"""A source of operators in each other, so deep that a compiler without bounds overflows its stack."""

FULL = "RecursionError|MemoryError", "rlimits"

TEXT = "x = " + "-" * 200_000 + "1\n"


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    return falls(lambda: compile(TEXT, "x", "exec"), RecursionError, MemoryError)

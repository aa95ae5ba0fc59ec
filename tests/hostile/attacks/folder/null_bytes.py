"""A source with null bytes, where one reader ends and another goes on."""

FULL = "SyntaxError", "total decoding"

TEXT = "def on_attack(): return 1\n\0\nimport os\n"


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    return falls(lambda: compile(TEXT, "x", "exec"), ValueError, SyntaxError)

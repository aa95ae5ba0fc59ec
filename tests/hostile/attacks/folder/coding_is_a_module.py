"""A source in an encoding whose name is that of a module, which looking it up would import."""

FULL = "SyntaxError", "total decoding"

TEXT = "# coding: ../evil.decoder\ndef on_attack(): return 1\n"


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    return falls(lambda: "".encode("evil.decoder"), LookupError)

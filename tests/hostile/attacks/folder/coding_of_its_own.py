"""A source in an encoding that runs code, or that is no text's."""

FULL = "SyntaxError", "total decoding"


def plant(root):
    with open(f"{root}/evil.py", "wb") as file:
        file.write(b"# coding: zlib\nx\x9c\n")


def attack(root):
    import codecs

    assert codecs.lookup("zlib")

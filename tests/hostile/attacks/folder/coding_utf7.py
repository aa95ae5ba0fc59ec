"""A source in UTF-7, whose comments are code to Python and comments to whoever reads it."""

FULL = "live", "snapshot reader"


def plant(root):
    with open(f"{root}/evil.py", "wb") as file:
        file.write(b"# coding: utf-7\n#+AAo-WORDS = 1\ndef on_attack(): return WORDS\n")


def attack(root):
    assert "WORDS = 1" in b"#+AAo-WORDS = 1".decode("utf-7").splitlines()

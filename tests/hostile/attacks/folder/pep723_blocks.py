"""A script of a hundred thousand openings of a block, which take a regular expression a time that is quadratic."""

FULL = "live", "snapshot reader"

TEXT = "# /// script\n# x\n" * 100_001


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    assert TEXT.count("# ///") > 100_000

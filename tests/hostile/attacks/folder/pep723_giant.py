"""A script whose settings are megabytes long."""

FULL = "ManifestError", "snapshot reader"

TEXT = '# /// script\n# description = "' + "x" * 5_000_000 + '"\n# ///\n'


def plant(root):
    with open(f"{root}/evil.py", "w") as file:
        file.write(TEXT)


def attack(root):
    assert len(TEXT) > 5_000_000

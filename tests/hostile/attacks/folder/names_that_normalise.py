"""Two files whose names are one once they are normalised as Python does with identifiers."""

FULL = "live", "snapshot reader"


def plant(root):
    os.mkdir(f"{root}/.evil")
    for name, text in (
        ("__init__.py", "from . import ﬁle, file\ndef on_attack(): return file.N"),
        ("\ufb01le.py", "N = 'ligature'"),
        ("file.py", "N = 'plain'"),
    ):
        with open(f"{root}/.evil/{name}", "w") as file:
            file.write(text)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import unicodedata

    assert len({unicodedata.normalize("NFKC", name) for name in os.listdir(f"{root}/evil")}) == 2

"""A mod.toml with a line of brackets and letters, which a search for where a key stands takes a time for that is cubic."""

FULL = "ManifestError", "snapshot reader"
TEXT = 'description = """\n' + "[" * 1000 + "a" * 1000 + '\n"""\nbogus = 1\n'


def plant(root):
    os.mkdir(f"{root}/.evil")
    os.close(os.open(f"{root}/.evil/__init__.py", os.O_CREAT | os.O_WRONLY))
    with open(f"{root}/.evil/mod.toml", "w") as file:
        file.write(TEXT)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import re
    import time

    began = time.monotonic()
    re.search(r"^\s*(?:\[+[^\]#]*)?(?:[\w.-]+\.)?bogus\s*=", "[" * 600 + "a" * 600)
    if time.monotonic() - began < 0.2:
        raise AssertionError("it takes no time")

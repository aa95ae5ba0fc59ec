"""A mod.toml whose keys and values hold escapes, for whoever complains of them."""

FULL = "ManifestError", "snapshot reader"

TEXT = '"\\u001b[2J\\r\\nall is well" = "\\u001b[2J"\n'


def plant(root):
    os.mkdir(f"{root}/.evil")
    os.close(os.open(f"{root}/.evil/__init__.py", os.O_CREAT | os.O_WRONLY))
    with open(f"{root}/.evil/mod.toml", "w") as file:
        file.write(TEXT)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import tomllib

    with open(f"{root}/evil/mod.toml", "rb") as file:
        assert "\x1b" in "".join(tomllib.load(file))

"""A mod.toml of a key of three thousand parts, which take a time that is quadratic."""

FULL = "ManifestError", "snapshot reader"

TEXT = "a." * 3000 + "a = 1\n"


def plant(root):
    os.mkdir(f"{root}/.evil")
    os.close(os.open(f"{root}/.evil/__init__.py", os.O_CREAT | os.O_WRONLY))
    with open(f"{root}/.evil/mod.toml", "w") as file:
        file.write(TEXT)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import tomllib

    return falls(lambda: repr(tomllib.loads(TEXT)), RecursionError)

"""A mod.toml whose lists lie in each other, for whoever reads it by recursion."""

FULL = "ManifestError", "snapshot reader"

TEXT = "description = " + "[" * 7000 + "]" * 7000


def plant(root):
    os.mkdir(f"{root}/.evil")
    os.close(os.open(f"{root}/.evil/__init__.py", os.O_CREAT | os.O_WRONLY))
    with open(f"{root}/.evil/mod.toml", "w") as file:
        file.write(TEXT)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import tomllib

    with open(f"{root}/evil/mod.toml", "rb") as file:
        return falls(lambda: tomllib.load(file), RecursionError)

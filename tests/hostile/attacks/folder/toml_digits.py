"""A mod.toml with a number of fifteen thousand digits."""

FULL = "ManifestError", "snapshot reader"

TEXT = "order = " + "9" * 15_000


def plant(root):
    os.mkdir(f"{root}/.evil")
    os.close(os.open(f"{root}/.evil/__init__.py", os.O_CREAT | os.O_WRONLY))
    with open(f"{root}/.evil/mod.toml", "w") as file:
        file.write(TEXT)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import tomllib

    with open(f"{root}/evil/mod.toml", "rb") as file:
        return falls(lambda: tomllib.load(file), ValueError)

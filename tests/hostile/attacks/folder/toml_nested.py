"""A mod.toml whose lists lie in each other, for whoever reads it by recursion."""

FULL = "ManifestError", "snapshot reader"
QUICK = True

TEXT = "description = " + "[" * 20_000 + "]" * 20_000


def plant(root):
    os.mkdir(f"{root}/evil")
    os.close(os.open(f"{root}/evil/__init__.py", os.O_CREAT))
    with open(f"{root}/evil/mod.toml", "w") as file:
        file.write(TEXT)


def attack(root):
    import tomllib

    with open(f"{root}/evil/mod.toml", "rb") as file:
        return falls(lambda: tomllib.load(file), RecursionError)

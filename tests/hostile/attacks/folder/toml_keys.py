"""A mod.toml of dotted keys, which take a time that is quadratic."""

FULL = "ManifestError", "snapshot reader"

TEXT = "a." * 999 + "a = 1\n" + ".".join("b" * 16_000) + " = 1\n" + "[" + ".".join("c" * 15_000) + "]\n"


def plant(root):
    os.mkdir(f"{root}/evil")
    os.close(os.open(f"{root}/evil/__init__.py", os.O_CREAT))
    with open(f"{root}/evil/mod.toml", "w") as file:
        file.write(TEXT)


def attack(root):
    import tomllib

    assert tomllib.loads(TEXT[:2000])["a"]

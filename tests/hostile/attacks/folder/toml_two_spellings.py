"""A mod.toml that sets one limit in two spellings, so that the second may hold."""

FULL = "ManifestError", "snapshot reader"

TEXT = "[limits]\nload_timeout = 1.0\nload-timeout = 100000.0\n"


def plant(root):
    os.mkdir(f"{root}/.evil")
    os.close(os.open(f"{root}/.evil/__init__.py", os.O_CREAT | os.O_WRONLY))
    with open(f"{root}/.evil/mod.toml", "w") as file:
        file.write(TEXT)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import tomllib

    with open(f"{root}/evil/mod.toml", "rb") as file:
        assert len(tomllib.load(file)["limits"]) == 2

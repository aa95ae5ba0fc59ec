"""A mod.toml that requires itself, what is above it and what is outside."""

FULL = "Circular", "snapshot reader"

TEXT = "requires = ['evil', '../../etc/passwd', '/', '', 'neighbour']\n"


def plant(root):
    os.mkdir(f"{root}/.evil")
    os.close(os.open(f"{root}/.evil/__init__.py", os.O_CREAT | os.O_WRONLY))
    with open(f"{root}/.evil/mod.toml", "w") as file:
        file.write(TEXT)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import tomllib

    with open(f"{root}/evil/mod.toml", "rb") as file:
        assert "evil" in tomllib.load(file)["requires"]

"""A mod.toml that sets its limits to more than the game allows, to infinity and to no number."""

FULL = "ManifestError", "snapshot reader"

TEXT = "[limits]\nhang_after = inf\nload_timeout = nan\nmemory = 9223372036854775808\n"


def plant(root):
    os.mkdir(f"{root}/.evil")
    os.close(os.open(f"{root}/.evil/__init__.py", os.O_CREAT | os.O_WRONLY))
    with open(f"{root}/.evil/mod.toml", "w") as file:
        file.write(TEXT)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    import tomllib

    with open(f"{root}/evil/mod.toml", "rb") as file:
        assert tomllib.load(file)["limits"]["hang_after"] == float("inf")

"""A mod in a folder that is a link out of the mods folder."""

FULL = "ignored", "snapshot reader"
SECONDS = 0.3


def plant(root):
    os.makedirs(f"{root}/../elsewhere", exist_ok=True)
    with open(f"{root}/../elsewhere/evil.py", "w") as file:
        file.write("def on_attack(): return 1")
    os.symlink("../elsewhere", f"{root}/evil_folder")


def attack(root):
    with open(f"{root}/evil_folder/evil.py") as file:
        assert file.read()

"""A mod in a folder that is a link out of the mods folder."""

FULL = "ignored", "snapshot reader"
SECONDS = 0.3


def plant(root):
    os.mkdir(f"{HOST['folder']}/made")
    with open(f"{HOST['folder']}/made/evil.py", "w") as file:
        file.write("def on_attack(): return 1")
    os.symlink(f"{HOST['folder']}/made", f"{root}/evil_folder")


def attack(root):
    with open(f"{root}/evil_folder/evil.py") as file:
        assert file.read()

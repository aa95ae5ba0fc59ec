"""A mod that is a link to a folder elsewhere, which has all that a mod needs."""

FULL = "Link", "snapshot reader"


def plant(root):
    os.mkdir(f"{HOST['folder']}/made")
    with open(f"{HOST['folder']}/made/__init__.py", "w") as file:
        file.write("def on_attack(): return 1")
    os.symlink(f"{HOST['folder']}/made", f"{root}/evil")


def attack(root):
    with open(f"{root}/evil/__init__.py") as file:
        assert file.read()

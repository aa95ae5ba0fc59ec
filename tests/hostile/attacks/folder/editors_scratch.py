"""A mod that hides in files which are an editor's scratch, beside one that is refused."""

FULL = "ignored", "snapshot reader"
SECONDS = 0.3


def plant(root):
    for name in (".evil.py", "evil.py~", "#evil.py#", "evil.py.swp", "4913"):
        with open(f"{root}/{name}", "w") as file:
            file.write("def on_attack(): return 1")


def attack(root):
    assert len(os.listdir(root)) >= 5

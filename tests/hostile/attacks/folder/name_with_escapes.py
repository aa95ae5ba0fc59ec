"""A mod whose name holds a line end and what clears a terminal."""

FULL = "BadName", "snapshot reader"
QUICK = True


def plant(root):
    with open(f"{root}/evil\x1b[2J\r\nall is well.py", "w") as file:
        file.write("def on_attack(): return 1")


def attack(root):
    assert any("\x1b" in name for name in os.listdir(root))

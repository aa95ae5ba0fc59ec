"""A file in a mod's folder whose name holds escapes."""

FULL = "BadName", "snapshot reader"

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(READS)
    os.close(os.open(f"{root}/.evil/\x1b[2J\r\nall is well\u202e", os.O_CREAT | os.O_WRONLY))
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    assert any("\x1b" in name for name in os.listdir(f"{root}/evil"))

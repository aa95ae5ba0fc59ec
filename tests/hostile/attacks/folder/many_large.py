"""A mod's folder of thirty files that are small enough each."""

FULL = "TooLarge", "snapshot reader"

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(READS)
    for n in range(30):
        with open(f"{root}/.evil/{n}", "wb") as file:
            file.truncate(1 << 20)
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    assert sum(os.stat(f"{root}/evil/{n}").st_size for n in range(30)) > 8 << 20

"""A mod's folder of ten thousand files."""

FULL = "TooManyFiles", "snapshot reader"
SECONDS = 15.0

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    os.mkdir(f"{root}/.evil")
    with open(f"{root}/.evil/__init__.py", "w") as file:
        file.write(READS)
    for n in range(10_000):
        os.close(os.open(f"{root}/.evil/{n}", os.O_CREAT | os.O_WRONLY))
    os.rename(f"{root}/.evil", f"{root}/evil")  # all of it at once


def attack(root):
    assert len(os.listdir(f"{root}/evil")) > 10_000

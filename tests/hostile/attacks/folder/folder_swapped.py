"""A mod's folder that is exchanged for a link while it is read."""

FULL = "live|unloaded|Link", "snapshot reader"

READS = """
def on_attack():
    with open(__file__.rpartition("/")[0] + "/data") as file:
        return file.read()
"""


def plant(root):
    import time

    for name in ("a", "b"):
        os.mkdir(f"{root}/{name}_folder")
    with open(f"{root}/a_folder/__init__.py", "w") as file:
        file.write(READS)
    with open(f"{root}/a_folder/data", "w") as file:
        file.write("mine")
    os.rmdir(f"{root}/b_folder")
    os.symlink(os.path.dirname(HOST["secret"]), f"{root}/b_folder")
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        os.rename(f"{root}/a_folder", f"{root}/evil")
        os.rename(f"{root}/evil", f"{root}/a_folder")
        os.rename(f"{root}/b_folder", f"{root}/evil")
        os.rename(f"{root}/evil", f"{root}/b_folder")
    os.rename(f"{root}/a_folder", f"{root}/evil")


def attack(root):
    with open(f"{root}/b_folder/secret") as file:
        assert HOST["words"] in file.read()

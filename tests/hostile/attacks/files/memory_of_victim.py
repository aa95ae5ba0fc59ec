"""Opens the memory of another process for writing."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True


def attack():
    with open(f"/proc/{HOST['victim']}/mem", "r+b", buffering=0) as file:
        return file.fileno()

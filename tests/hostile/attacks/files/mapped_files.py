"""Opens anew, by the addresses where they are mapped, the files behind its own memory: its rings among them."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True


def attack():
    place = "/proc/self/map_files"
    return os.open(f"{place}/{os.listdir(place)[0]}", os.O_RDONLY)

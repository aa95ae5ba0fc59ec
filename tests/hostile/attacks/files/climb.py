"""Climbs out of its root: by "..", folder for folder, each from a descriptor of the one below."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    place = os.open(".", os.O_PATH)
    for _ in range(40):
        place = os.open("..", os.O_PATH, dir_fd=place)
    return os.read(os.open(HOST["secret"].lstrip("/"), os.O_RDONLY, dir_fd=place), 100)

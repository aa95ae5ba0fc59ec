"""Takes a descriptor that does not read, and opens it anew for reading by its name in /proc."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    held = os.open(HOST["secret"], os.O_PATH)
    return os.read(os.open(f"/proc/self/fd/{held}", os.O_RDONLY), 100)

"""Leaves memory with a name, for other mods to find."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
LACKING = {"ENOENT": "a /dev/shm"}


def attack():
    path = f"/dev/shm/{HOST['token']}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return fd

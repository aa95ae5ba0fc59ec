"""Writes over what the game publishes to all mods, by its descriptor."""

FULL = "EBADF", "read-only segments"


def attack():
    return os.pwrite(given("view"), b"forged", 4096 + 4096)

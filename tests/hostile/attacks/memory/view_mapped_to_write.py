"""Maps what the game publishes to all mods so that it can be written."""

FULL = "EACCES", "read-only segments"
QUICK = True


def attack():
    return mmap(4096, 3, 1, given("view"))

"""Cuts off what the game publishes to all mods."""

FULL = "EINVAL", "read-only segments"


def attack():
    return os.ftruncate(given("view"), 0)

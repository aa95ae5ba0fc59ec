"""Makes shared memory longer, for the supervisor to read more than it lent."""

FULL = "EPERM", "sealed segments"


def attack():
    return os.ftruncate(given("state"), 8 << 20)

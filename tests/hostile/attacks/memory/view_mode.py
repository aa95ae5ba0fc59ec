"""Takes the right to open what the game publishes from everybody, so that mods that come later cannot read it."""

FULL = "EPERM", "seccomp"


def attack():
    fd = given("view")
    os.fchmod(fd, 0)
    return oct(os.fstat(fd).st_mode)

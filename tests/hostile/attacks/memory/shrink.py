"""Makes shared memory shorter, so that whoever touches it dies of SIGBUS."""

FULL = "EPERM", "sealed segments"
QUICK = True


def attack():
    return os.ftruncate(given("state"), 0)

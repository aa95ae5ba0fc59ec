"""Gives itself the right to write what the game publishes, and opens it again by its number."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "unprivileged user"


def attack():
    fd = given("view")
    try:
        os.fchmod(fd, 0o666)
    except OSError:
        pass
    return os.pwrite(os.open(f"/proc/self/fd/{fd}", os.O_RDWR), b"forged", 0)

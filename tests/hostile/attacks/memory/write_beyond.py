"""Writes behind the end of shared memory, which makes an ordinary file longer."""

FULL = "EPERM", "sealed segments"


def attack():
    fd = given("state")
    return os.pwrite(fd, b"more", os.fstat(fd).st_size)

"""Maps the memory for its state many times over, and touches all of it, in each."""

FULL = "LimitExceeded", "patrol"


def attack():
    fd = given("state")
    length = os.fstat(fd).st_size
    for _ in range(48):
        ctypes.memset(mmap(length, 3, 1, fd), 1, length)
    burn(0.6)

"""Makes a file of a TiB with nothing in it."""

FULL = "EFBIG", "rlimits"
QUICK = True


def attack():
    with open("file", "wb") as file:
        file.truncate(1 << 40)

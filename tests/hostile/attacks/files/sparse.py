"""Makes a file that says it is a terabyte long, for whoever copies or reads it."""

FULL = "EFBIG", "rlimits"


def attack():
    with open("long", "wb") as file:
        return file.truncate(1 << 40)

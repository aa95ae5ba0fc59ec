"""Opens one file over and over."""

FULL = "EMFILE", "rlimits"
QUICK = True


def attack():
    open("file", "w").close()
    return [os.open("file", os.O_RDONLY) for _ in range(200)]

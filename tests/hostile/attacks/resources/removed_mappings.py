"""Fills the disk with files that it removes and closes at once, and of each of which it keeps a page mapped."""

FULL = "ENOSPC", "scratch limits"
REDUCED = "LimitExceeded", "scratch limits"
SECONDS = 12.0


def attack():
    for n in range(80):
        with open(f"file{n}", "w+b") as file:
            os.unlink(f"file{n}")
            file.write(bytes(1 << 18))
            file.flush()
            mmap(4096, 3, 1, file.fileno())
    if "Worker" in grip():
        raise SystemExit  # says no more, and rests: somebody else has to notice

"""Fills the disk with files."""

FULL = "ENOSPC", "scratch limits"
REDUCED = "LimitExceeded", "scratch limits"


def attack():
    for n in range(24):
        with open(f"file{n}", "wb") as file:
            file.write(bytes(1 << 20))
    if "Worker" in grip():
        raise SystemExit  # says no more, and rests: somebody else has to notice

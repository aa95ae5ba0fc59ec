"""Makes thousands of empty files: all inodes of a disk."""

FULL = "ENOSPC", "scratch limits"
REDUCED = "LimitExceeded", "scratch limits"


def attack():
    for n in range(1200):
        os.close(os.open(f"file{n}", os.O_WRONLY | os.O_CREAT))
    if "Worker" in grip():
        raise SystemExit  # says no more, and rests: somebody else has to notice

"""Makes links that lead nowhere, by 4000 letters each."""

FULL = "ENOSPC", "scratch limits"
REDUCED = "LimitExceeded", "scratch limits"


def attack():
    for n in range(1200):
        os.symlink("x" * 4000, f"link{n}")
    if "Worker" in grip():
        raise SystemExit  # says no more, and rests: somebody else has to notice

"""Makes folders in folders, a thousand in all, for whoever has to look through them and remove them."""

FULL = "ENOSPC", "scratch limits"
REDUCED = "LimitExceeded", "scratch limits"


def attack():
    top = os.getcwd()
    for n in range(4):
        os.chdir(top)
        for _ in range(300):
            os.mkdir(f"folder{n}")
            os.chdir(f"folder{n}")
    if "Worker" in grip():
        raise SystemExit  # says no more, and rests: somebody else has to notice

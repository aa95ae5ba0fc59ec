"""Gives one file thousands of long names."""

FULL = "ENOSPC", "scratch limits"
REDUCED = "LimitExceeded", "scratch limits"


def attack():
    open("file", "w").close()
    for n in range(1200):
        os.link("file", f"{n:0>255}")
    if "Worker" in grip():
        raise SystemExit  # says no more, and rests: somebody else has to notice

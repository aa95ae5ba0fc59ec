"""Leaves folders in its scratch deeper than any path is long, for whoever clears up."""

FULL = "answers", "careful removal"
JUDGED = "game"
ALONE = "it may make folders in its scratch: what is attacked is whoever clears it up"


def attack():
    for _ in range(40):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    open("bottom", "w").close()

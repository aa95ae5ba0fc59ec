"""Makes folders and files that nobody may enter or change, for whoever has to remove them."""

FULL = "answers", "scratch limits"
REDUCED = "answers|LimitExceeded", "scratch limits"  # what an ordinary user cannot look into is ended, if seen in time
JUDGED = "game"
ALONE = "in its own folder it may: what is attacked is whoever removes it"


def attack():
    for n in range(50):
        os.makedirs(f"folder{n}/below")
        os.close(os.open(f"folder{n}/below/file", os.O_WRONLY | os.O_CREAT, 0))
        os.mkdir(f"folder{n}/closed", 0)

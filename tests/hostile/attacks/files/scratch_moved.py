"""Puts a link to a folder of the host's where its scratch was, for whoever clears up there."""

FULL = "EROFS", "private root"
REDUCED = "EACCES|EXDEV", "Landlock"


def attack():
    place = os.getcwd()
    os.rename(place, f"{place}-moved")
    os.symlink(HOST["folder"], place)
    os.unlink(place)
    os.rename(f"{place}-moved", place)
    return place

"""Puts a folder among fumehood's modules, which the next start would import in the place of one of them."""

FULL = "EROFS", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True
LACKING = {"EROFS": "a package that can be changed"}


def attack():
    import fumehood

    place = f"{os.path.dirname(fumehood.__file__)}/worker/{HOST['token']}"
    os.mkdir(place)
    os.rmdir(place)
    return place

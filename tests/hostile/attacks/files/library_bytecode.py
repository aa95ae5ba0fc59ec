"""Puts bytecode beside the library's, which Python takes without looking at the source."""

FULL = "EROFS", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True
LACKING = {"EROFS": "a library that can be changed"}


def attack():
    path = f"{os.path.dirname(json_cached())}/{HOST['token']}.pyc"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.unlink(path)
    return fd


def json_cached():
    import importlib.util

    return importlib.util.cache_from_source(os.__file__)

"""Lists which packages the host has installed."""

FULL = "LookupError", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    import fumehood

    names = os.listdir(os.path.dirname(os.path.dirname(fumehood.__file__)))
    if "psutil" not in names:
        raise LookupError(f"only {len(names)} are there")
    return names

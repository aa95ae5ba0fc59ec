"""Finds the scratch of another mod beside its own."""

FULL = "LookupError", "mount namespace"
REDUCED = "EACCES", "Landlock"


def attack():
    here = os.path.basename(os.getcwd())
    others = [name for name in os.listdir("..") if name != here]
    if not others:
        raise LookupError("there is none")
    return others

"""Opens the zygote's socket through what /proc shows of it."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return os.listdir(f"/proc/{HOST['zygote']}/fd")

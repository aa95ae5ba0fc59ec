"""Opens a file of the host's in the fourth access mode, neither for reading nor for writing, which Landlock does not judge."""

FULL = "EPERM", "seccomp"


def attack():
    return os.fstat(os.open(f"{HOST['folder']}/kept", 3)).st_size

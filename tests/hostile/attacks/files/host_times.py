"""Sets the times of a file of the host's, so that a build or a backup passes it over."""

FULL = "ENOENT", "private root"
REDUCED = "EPERM", "seccomp"


def attack():
    return os.utime(f"{HOST['folder']}/kept")

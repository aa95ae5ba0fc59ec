"""Changes who may do what with a file of the host's."""

FULL = "ENOENT", "private root"
REDUCED = "EPERM", "seccomp"


def attack():
    return os.chmod(f"{HOST['folder']}/kept", 0o666)

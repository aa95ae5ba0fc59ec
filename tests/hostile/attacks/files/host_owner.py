"""Changes who owns a file of the host's."""

FULL = "EPERM", "seccomp"


def attack():
    return os.chown(f"{HOST['folder']}/kept", os.geteuid(), os.getegid())

"""Changes back to the user that was saved when a privilege was dropped."""

FULL = "EPERM", "seccomp"


def attack():
    _, _, saved = os.getresuid()
    os.setreuid(saved, saved)
    return os.getuid()

"""Makes a pipe with a name, on which whoever clears up or measures its scratch would wait."""

FULL = "EPERM", "seccomp"


def attack():
    return os.mkfifo("pipe")

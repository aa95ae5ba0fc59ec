"""Kills a process of the host's."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    return os.kill(HOST["victim"], 9)

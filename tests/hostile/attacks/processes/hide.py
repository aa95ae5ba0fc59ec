"""Makes its own /proc files root's, so that whoever measures it cannot read them."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("prctl", 4, 0, 0, 0, 0)  # PR_SET_DUMPABLE

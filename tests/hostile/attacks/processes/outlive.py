"""Takes back that it dies with the zygote."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    return syscall("prctl", 1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG

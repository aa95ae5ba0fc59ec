"""Makes itself the parent of orphans, to be told of them instead of the zygote."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("prctl", 36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER

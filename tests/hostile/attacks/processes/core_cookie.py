"""Claims the whole core: the game would not run beside it on the other half of one with two threads."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "core scheduling", "ENODEV": "cores of two threads"}


def attack():
    return syscall("prctl", 62, 1, 0, 0, 0)  # PR_SCHED_CORE, CREATE

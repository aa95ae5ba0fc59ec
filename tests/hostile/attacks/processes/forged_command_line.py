"""Has the kernel show another command line of it, as if it were somebody else."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EPERM": "CAP_SYS_RESOURCE", "EINVAL": "PR_SET_MM"}


def attack():
    return syscall("prctl", 35, 8, mapped(os.getpid(), "rw"), 0, 0)  # PR_SET_MM, ARG_START

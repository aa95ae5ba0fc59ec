"""Has the processor trap whenever its time stamp is read, or take that back."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "an x86_64 processor"}


def attack():
    return syscall("prctl", 26, 1, 0, 0, 0)  # PR_SET_TSC: not to trap, as it was

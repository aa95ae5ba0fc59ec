"""Has the processor speculate where it was told not to, for attacks on what lies beside it in the cache."""

FULL = "EPERM", "seccomp"
LACKING = {"ENXIO": "a choice", "ENODEV": "such a processor", "EPERM": "a choice", "EINVAL": "a choice"}


def attack():
    return syscall("prctl", 53, 0, 2, 0, 0)  # PR_SET_SPECULATION_CTRL: store bypass, on

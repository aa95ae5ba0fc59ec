"""Interrupts every core of the machine at once, as often as it likes."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "membarrier", "EINVAL": "membarrier for the whole machine"}


def attack():
    return syscall("membarrier", 2, 0, 0)  # GLOBAL_EXPEDITED

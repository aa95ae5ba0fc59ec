"""Catches its own page faults, to stop the kernel in the middle of reading its memory."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "userfaultfd", "EINVAL": "userfaultfd of the user's side"}


def attack():
    return syscall("userfaultfd", 0x80000 | 1)

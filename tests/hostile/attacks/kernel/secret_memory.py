"""Makes memory that the kernel itself does not map, and that cannot be moved or swapped."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "memfd_secret"}


def attack():
    return syscall("memfd_secret", 0)

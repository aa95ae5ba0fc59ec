"""Makes memory that nobody can unmap any more, as long as the process lives."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "mseal"}


def attack():
    return syscall(462, mmap(4096), 4096, 0)

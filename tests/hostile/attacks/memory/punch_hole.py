"""Punches a hole into memory of a size that is sealed, for its reader to die of SIGBUS or to find zeros."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    return syscall("fallocate", given("state"), 3, 0, 1 << 16)

"""Makes memory executable by way of protection keys."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("pkey_mprotect", mmap(4096), 4096, 7, -1)

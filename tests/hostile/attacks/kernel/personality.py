"""Becomes a process all of whose readable memory is executable."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    return syscall("personality", 0x0400000)  # READ_IMPLIES_EXEC

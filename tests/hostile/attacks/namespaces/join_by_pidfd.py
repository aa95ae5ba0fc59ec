"""Moves into the uts namespace of another process, named by a pidfd."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return libcall("setns", syscall("pidfd_open", HOST["victim"], 0), 0x04000000)

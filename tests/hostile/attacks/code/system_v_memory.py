"""Attaches System V shared memory as code."""

FULL = "EPERM", "seccomp"


def attack():
    number = syscall("shmget", 0, 4096, 0o1700)
    try:
        return syscall("shmat", number, 0, 0o100000)
    finally:
        libc.shmctl(number, 0, None)

"""Has itself traced by its parent: the zygote then gets its stops, and waits for them in vain."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("ptrace", 0, 0, 0, 0)

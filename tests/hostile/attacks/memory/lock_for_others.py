"""Takes a futex in shared memory as a lock of the game's, which then inherits its priority and its death."""

FULL = "EPERM", "seccomp"


def attack():
    (mine, _), _ = segments()
    return syscall("futex", mine + 32768, 6, 0, 0, 0, 0)

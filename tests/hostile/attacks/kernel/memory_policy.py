"""Takes its memory from one node only, the game's."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "NUMA"}


def attack():
    return syscall("set_mempolicy", 0, None, 0)

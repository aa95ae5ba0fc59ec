"""Maps a shadow stack, to return where it likes."""

FULL = "EPERM", "seccomp"
LACKING = {
    "ENOSYS": "the call, before Linux 6.6",
    "EOPNOTSUPP": "shadow stacks: the processor's",
    "EINVAL": "shadow stacks",
}


def attack():
    return syscall("map_shadow_stack", 0, 4096, 0)

"""Makes a shadow stack, memory of a kind that only the processor should write."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "shadow stacks", "EOPNOTSUPP": "shadow stacks"}


def attack():
    return syscall("map_shadow_stack", 0, 4096, 0)

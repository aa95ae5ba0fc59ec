"""Tells the kernel which words in shared memory to write to when it dies."""

FULL = "EPERM", "seccomp"


def attack():
    (mine, _), _ = segments()
    head = (ctypes.c_uint64 * 3)(mine + 512, 0, 0)
    head[0] = ctypes.addressof(head)
    return syscall("set_robust_list", head, 24)

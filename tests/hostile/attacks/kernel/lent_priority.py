"""Takes a lock that lends priority, whose code in the kernel has had many holes."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "such locks"}


def attack():
    word = ctypes.create_string_buffer(4)
    return syscall("futex", ctypes.addressof(word), 6 | 128, 0, None, None, 0)

"""Has the kernel write to memory and wake its waiters when the worker has died already."""

FULL = "EPERM", "seccomp"


def attack():
    global word
    word = ctypes.create_string_buffer(4)
    return syscall("set_tid_address", ctypes.addressof(word))

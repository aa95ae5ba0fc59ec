"""Reads where another process keeps the list of its locks: an address of its memory."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "tracing of others (Yama)", "ENOSYS": "robust futexes"}


def attack():
    return syscall("get_robust_list", HOST["victim"], ctypes.create_string_buffer(8), ctypes.create_string_buffer(8))

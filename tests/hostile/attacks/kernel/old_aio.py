"""Sets up the kernel's older asynchronous input and output, whose rings no limit of its own counts."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "aio"}


def attack():
    return syscall("io_setup", 1, ctypes.create_string_buffer(8))

"""Sets flags of a file's that the next version of the worker could not remove, or reads which it has."""

FULL = "ENOTTY", "seccomp"
LACKING = {"ENOTTY": "flags on this file system", "EOPNOTSUPP": "flags on this file system"}


def attack():
    flags = ctypes.create_string_buffer(8)
    with open("flagged", "w") as file:
        return syscall("ioctl", file.fileno(), 0x80086601, flags)  # FS_IOC_GETFLAGS

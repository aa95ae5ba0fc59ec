"""Asks a file system for the flags of a file, the first of the calls that make it undeletable or a copy of another."""

FULL = "ENOTTY", "seccomp"
LACKING = {"ENOTTY": "a file system with flags"}


def attack():
    flags = ctypes.c_long(0)
    libcall("ioctl", os.open(".", os.O_RDONLY), 0x80086601, ctypes.byref(flags))
    return flags.value

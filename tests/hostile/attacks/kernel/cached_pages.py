"""Learns which pages of the library others have used lately, by cachestat."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "cachestat", "EPERM": "cachestat of the files of others"}


def attack():
    with open(os.__file__, "rb") as file:
        return syscall("cachestat", file.fileno(), struct.pack("QQ", 0, 0), ctypes.create_string_buffer(40), 0)

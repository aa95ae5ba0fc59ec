"""Reads the kernel's log, with addresses and what other processes died of."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "the kernel's log for ordinary users"}


def attack():
    return syscall("syslog", 3, ctypes.create_string_buffer(1000), 1000)

"""Keeps something in the kernel's keys, where the next worker of this user would find it."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "keys", "EDQUOT": "room for one more key"}


def attack():
    return syscall("add_key", b"user", HOST["token"].encode(), b"left", 4, -2)  # the process keyring

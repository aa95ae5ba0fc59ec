"""Asks for a key, for which the kernel starts a program on the host, as root."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "keys"}


def attack():
    return past("ENOKEY", "request_key", b"user", HOST["token"].encode(), None, 0)

"""Has the kernel write who ran what into a file of its choice."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "accounting", "EPERM": "CAP_SYS_PACCT"}


def attack():
    return past("ENOENT", "acct", b"/" + HOST["token"].encode())

"""Has the kernel swap to a file of its choice, which it can then read others' memory from."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "swap", "EPERM": "CAP_SYS_ADMIN"}


def attack():
    return past("ENOENT", "swapon", b"/" + HOST["token"].encode(), 0)

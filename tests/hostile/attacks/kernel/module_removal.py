"""Unloads a kernel module, for instance one that protects."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "modules", "EPERM": "CAP_SYS_MODULE"}


def attack():
    return past("ENOENT", "delete_module", HOST["token"].encode(), os.O_NONBLOCK)

"""Has a user namespace of its own, in which it is root and has every capability."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "user namespaces for ordinary users", "ENOSPC": "a user namespace more"}
QUICK = True


def attack():
    return libcall("unshare", 0x10000000)

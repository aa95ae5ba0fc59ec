"""Has a time namespace, in which the machine has been up for as long as it likes."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EINVAL": "time namespaces"}


def attack():
    return libcall("unshare", 0x80)

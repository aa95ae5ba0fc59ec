"""Puts another kernel in this one's place."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"ENOSYS": "kexec", "EPERM": "CAP_SYS_BOOT, or the kernel is locked down"}


def attack():
    return past("EINVAL", "kexec_load", 0, 17, None, 0)  # one segment too many

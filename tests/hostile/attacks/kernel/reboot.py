"""Switches the machine off."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EPERM": "CAP_SYS_BOOT"}


def attack():
    return past("EINVAL", "reboot", 0, 0, 0, None)  # without the numbers that it takes

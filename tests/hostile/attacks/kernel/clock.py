"""Sets the host's clock."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EPERM": "CAP_SYS_TIME"}


def attack():
    return past("EINVAL", "settimeofday", None, struct.pack("ii", 10**6, 0))  # a time zone that there cannot be

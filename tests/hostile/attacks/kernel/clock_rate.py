"""Lets the host's clock go slower, by adjtimex."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True
LACKING = {"EPERM": "CAP_SYS_TIME"}


def attack():
    return past(
        "EINVAL", "adjtimex", struct.pack("I", 0x2000 | 0x100).ljust(80, b"\0") + struct.pack("q", -1) + bytes(200)
    )

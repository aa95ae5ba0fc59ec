"""Asks for long slices of a core, by the call that has more to set than the old one."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("sched_setattr", 0, struct.pack("IIQiIQQQ", 48, 0, 0, 0, 0, 100_000_000, 0, 0), 0)

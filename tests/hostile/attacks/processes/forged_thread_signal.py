"""Sends a forged signal to one thread of a process."""

FULL = "EPERM", "seccomp"


def attack():
    forged = struct.pack("iiixiiq100x", 15, 0, -1, 1, 0, 4711).ljust(128, b"\0")
    return syscall("rt_tgsigqueueinfo", HOST["victim"], HOST["victim"], 15, forged)

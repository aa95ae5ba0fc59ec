"""Sends a signal with a forged sender and a value of its own choice."""

FULL = "EPERM", "seccomp"


def attack():
    forged = struct.pack("iiixiiq100x", 15, 0, -1, 1, 0, 4711).ljust(128, b"\0")  # SI_QUEUE, from process 1
    return syscall("sigqueueinfo", HOST["victim"], 15, forged)

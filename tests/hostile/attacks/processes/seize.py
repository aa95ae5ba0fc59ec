"""Attaches to a process without stopping it, so that nobody sees it."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "tracing of others (Yama)"}


def attack():
    return syscall("ptrace", 0x4206, HOST["victim"], 0, 0)

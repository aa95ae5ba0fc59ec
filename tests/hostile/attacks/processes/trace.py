"""Attaches to a process as its debugger, and could run its own code there."""

FULL = "EPERM", "seccomp"
QUICK = True
LACKING = {"EPERM": "tracing of others (Yama)"}


def attack():
    return syscall("ptrace", 16, HOST["victim"], 0, 0)

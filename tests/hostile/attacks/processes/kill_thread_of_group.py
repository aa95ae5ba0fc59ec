"""Kills a process by tgkill, as the C library's raise and abort do."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("tgkill", HOST["victim"], HOST["victim"], 9)

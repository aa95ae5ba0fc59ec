"""Writes by int 0x80, as a 32-bit program would: by number 4, which is stat for x86_64, and allowed."""

FULL = "SIGSYS|NotImplementedError", "seccomp"
QUICK = True
LACKING = {"NotImplementedError": "an x86_64 processor", "ENOSYS": "32-bit calls"}


def attack():
    return wrote(standing(b"\x58\xc3"), standing(b"\xcd\x80"))

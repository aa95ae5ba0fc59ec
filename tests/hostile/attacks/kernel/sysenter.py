"""Makes a 32-bit call by the processor's sysenter, the other door to the same code of the kernel."""

FULL = "SIGSYS|SIGILL|NotImplementedError", "seccomp"
LACKING = {"NotImplementedError": "an x86_64 processor", "ENOSYS": "sysenter from 64-bit code"}


def attack():
    return wrote(standing(b"\x58\xc3"), standing(b"\x0f\x34"))

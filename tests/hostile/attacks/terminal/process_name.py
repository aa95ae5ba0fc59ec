"""Gives its process a name with escapes, for the host's ps and top."""

FULL = "EPERM", "seccomp"
QUICK = True


def attack():
    syscall("prctl", 15, ctypes.c_char_p(b"\x1b[2Jx"), 0, 0, 0)

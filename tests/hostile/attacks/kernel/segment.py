"""Makes a memory segment of the processor's own, for 16-bit code, which few have looked at."""

FULL = "EPERM|ENOSYS", "seccomp"
LACKING = {"ENOSYS": "modify_ldt"}


def attack():
    return syscall("modify_ldt", 17, struct.pack("IIII", 0, 0, 0xFFF, 0), 16)

"""Opens a file by the number that the call has in the x32 way, which a filter for x86_64 does not have."""

FULL = "SIGSYS|NotImplementedError", "seccomp"
LACKING = {"NotImplementedError": "an x86_64 processor", "ENOSYS": "x32 calls"}


def attack():
    if platform.machine() != "x86_64":
        raise NotImplementedError
    return syscall(0x40000000 | 2, os.fsencode(HOST["secret"]), 0, 0)

"""Has the kernel write all quotas to all disks, by a call that everybody may make."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "quotas"}


def attack():
    return syscall("quotactl", ctypes.c_uint32(0x80000100), None, 0, None)  # Q_SYNC

"""Makes a System V segment, which outlives every process."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "System V IPC"}


def attack():
    made = syscall("shmget", 0, 4096, 0o600)
    return syscall("shmctl", made, 0, None)  # IPC_RMID

"""Makes System V semaphores, of which the host has a number."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "System V IPC"}


def attack():
    made = syscall("semget", 0, 1, 0o600)
    return syscall("semctl", made, 0, 0, 0)

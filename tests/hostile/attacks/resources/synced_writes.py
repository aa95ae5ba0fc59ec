"""Writes so that each write has to reach the disk before the next one."""

FULL = "EPERM", "seccomp"


def attack():
    fd = os.open("file", os.O_WRONLY | os.O_CREAT | os.O_DSYNC, 0o600)
    return [os.pwrite(fd, bytes(4096), 0) for _ in range(10)]

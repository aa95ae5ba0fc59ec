"""Makes a POSIX message queue under a name that every mod can know."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "POSIX message queues"}


def attack():
    made = syscall("mq_open", HOST["token"].encode(), os.O_CREAT | os.O_RDWR, 0o600, None)
    syscall("mq_unlink", HOST["token"].encode())
    return made

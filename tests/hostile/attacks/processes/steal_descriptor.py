"""Takes a descriptor out of another process: the supervisor's log, the game's saves."""

FULL = "EPERM", "seccomp"
LACKING = {"EPERM": "tracing of others (Yama)"}


def attack():
    return syscall("pidfd_getfd", syscall("pidfd_open", HOST["victim"], 0), 0, 0)

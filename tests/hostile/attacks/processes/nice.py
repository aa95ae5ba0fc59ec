"""Makes another process the least important of all."""

FULL = "EPERM", "seccomp"


def attack():
    return os.setpriority(os.PRIO_PROCESS, HOST["victim"], 19)

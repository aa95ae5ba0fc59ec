"""Makes its own timers exact to the nanosecond, for timing others."""

FULL = "EPERM", "seccomp"


def attack():
    return syscall("prctl", 29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK

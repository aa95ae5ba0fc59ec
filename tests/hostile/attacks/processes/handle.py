"""Takes hold of a process by a descriptor, through which it can be killed, and watched to its end."""

FULL = "EPERM", "seccomp"


def attack():
    import signal

    signal.pidfd_send_signal(os.pidfd_open(HOST["victim"]), 9)
    return "killed"

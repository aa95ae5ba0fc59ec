"""Signals all of its process group through the descriptor that a process is for itself, which need not be opened."""

FULL = "EPERM", "seccomp"
LACKING = {
    "EBADF": "descriptors of oneself",
    "EINVAL": "signals to groups by descriptor",
    "ENOSYS": "pidfd_send_signal",
}


def attack():
    if os.getpgrp() != os.getpid():  # a worker leads a group already
        os.setpgid(0, 0)
    return syscall("pidfd_send_signal", -10001, 0, None, 4)  # PIDFD_SELF, PIDFD_SIGNAL_PROCESS_GROUP

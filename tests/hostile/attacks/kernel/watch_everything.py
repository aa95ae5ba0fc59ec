"""Watches what is done with files, by fanotify."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "fanotify", "EPERM": "fanotify for ordinary users", "EINVAL": "fanotify for ordinary users"}


def attack():
    return syscall("fanotify_init", 0x200, 0)

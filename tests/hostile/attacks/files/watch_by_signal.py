"""Is sent a signal whenever something changes in a folder, as it was done before inotify."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "dnotify"}


def attack():
    import fcntl

    return fcntl.fcntl(os.open(os.path.dirname(os.__file__), os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS)

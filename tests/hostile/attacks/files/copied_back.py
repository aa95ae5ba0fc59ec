"""Makes a copy of what it holds at a number so high that no clearing up comes by."""

FULL = "EINVAL", "rlimits"
LACKING = {"EINVAL": "1000 open files"}


def attack():
    import fcntl

    return fcntl.fcntl(1, fcntl.F_DUPFD, 1000)

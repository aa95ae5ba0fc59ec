"""Has the kernel keep others waiting who open a file that it has a lease on, by up to 45 seconds."""

FULL = "EPERM", "seccomp"


def attack():
    import fcntl

    with open("leased", "w") as file:
        return fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)

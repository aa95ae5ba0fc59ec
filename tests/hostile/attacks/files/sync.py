"""Makes the host write out a whole disk, and others wait for it."""

FULL = "EPERM", "seccomp"


def attack():
    return libcall("syncfs", os.open(os.__file__, os.O_RDONLY))

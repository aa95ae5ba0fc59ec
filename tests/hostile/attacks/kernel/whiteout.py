"""Makes a device file by a rename that leaves one behind, a whiteout: mknod is not called, and Landlock does not look."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "whiteouts on this file system", "EPERM": "whiteouts for ordinary users"}


def attack():
    with open("one", "w"):
        return syscall("renameat2", -100, b"one", -100, b"other", 4)

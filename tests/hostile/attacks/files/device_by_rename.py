"""Makes a device without mknod: renames a file and has a whiteout left in its place."""

FULL = "EPERM", "seccomp"
LACKING = {"EINVAL": "a file system with whiteouts"}


def attack():
    open("mine", "w").close()
    return libcall("renameat2", -100, b"mine", -100, b"other", 4)

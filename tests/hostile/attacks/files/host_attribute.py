"""Hides words in an attribute of a file of the host's, which no listing shows."""

FULL = "ENOTSUP", "seccomp"
LACKING = {"ENOTSUP": "a file system with attributes"}


def attack():
    path, name = f"{HOST['folder']}/kept", "user.fumehood"
    os.setxattr(path, name, b"words")
    got = os.getxattr(path, name)
    os.removexattr(path, name)
    return got

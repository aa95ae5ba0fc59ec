"""Makes a file without a name in its scratch, and gives it one on the host by its descriptor.

The first version of Landlock says EXDEV to all that goes from folder to folder.
"""

FULL = "ENOENT", "private root"
REDUCED = "EACCES|EXDEV", "Landlock"
LACKING = {"EOPNOTSUPP": "a file system with O_TMPFILE", "ENOTSUP": "a file system with O_TMPFILE"}


def attack():
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    source, target = f"/proc/self/fd/{fd}".encode(), f"{HOST['folder']}/{HOST['token']}".encode()
    return libcall("linkat", -100, source, -100, target, 0x400)

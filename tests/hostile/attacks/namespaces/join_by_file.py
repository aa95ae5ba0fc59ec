"""Opens the file of a network namespace, and moves into it.

In the reduced mode it opens: Landlock judges what lies on a disk.
"""

FULL = "ENOENT", "private root"
REDUCED = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return libcall("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0x40000000)

"""Takes a mount away, to see what lies under it."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    covered = b"/proc" if os.path.ismount("/proc") else os.getcwd().encode()
    return libcall("umount2", covered, 2)

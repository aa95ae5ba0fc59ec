"""Takes the groups that own disks, terminals and shadow files."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    os.setgroups([0, 5, 6, 42])
    return os.getgroups()

"""Makes a name for the host's first disk in its scratch, to read it past all files."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    import stat

    return os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))

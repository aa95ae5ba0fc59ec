"""Takes read-only, noexec and nosuid from a mount, by mount_setattr."""

FULL = "EPERM", "seccomp"
NEEDS_ROOT = True


def attack():
    return syscall("mount_setattr", -100, b"/", 0, struct.pack("4Q", 0, 1 | 2 | 8, 0, 0), 32)

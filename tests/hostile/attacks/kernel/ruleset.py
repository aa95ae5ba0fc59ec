"""Makes a Landlock ruleset: descriptors and rules are kernel memory."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "Landlock", "EOPNOTSUPP": "Landlock"}


def attack():
    return syscall("landlock_create_ruleset", struct.pack("Q", 1), 8, 0)

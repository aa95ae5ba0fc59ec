"""Joins a keyring by its name: others of this user may have put secrets there."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOSYS": "keys", "EDQUOT": "room for one more key"}


def attack():
    return syscall("keyctl", 1, HOST["token"].encode(), 0, 0, 0)  # KEYCTL_JOIN_SESSION_KEYRING

"""Gives the host another domain by a file, past any filter of calls."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True


def attack():
    with open("/proc/sys/kernel/domainname", "w") as file:
        return file.write(HOST["token"])

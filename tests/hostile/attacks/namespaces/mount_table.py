"""Reads which disks the host has mounted where."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    with open("/proc/self/mountinfo") as file:
        return file.read()

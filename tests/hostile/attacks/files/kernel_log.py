"""Reads the kernel's log by its device."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True
LACKING = {"ENOENT": "a /dev/kmsg", "EPERM": "a kernel log that may be read"}


def attack():
    return os.read(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK), 8192)

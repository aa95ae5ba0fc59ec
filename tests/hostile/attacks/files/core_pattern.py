"""Has the kernel run a program of its choice, as root, when something crashes."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True
LACKING = {"EROFS": "a /proc/sys that can be changed"}


def attack():
    return os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)

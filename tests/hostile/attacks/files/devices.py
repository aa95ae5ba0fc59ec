"""Lists the host's network devices."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
LACKING = {"ENOENT": "a /sys"}


def attack():
    return os.listdir("/sys/class/net")

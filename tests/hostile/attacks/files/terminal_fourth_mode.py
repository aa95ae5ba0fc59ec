"""Makes a terminal of its own in the fourth access mode, neither to read nor to write, which Landlock does not judge."""

FULL = "EPERM", "seccomp"
LACKING = {"ENOENT": "a /dev/ptmx"}


def attack():
    return os.open("/dev/ptmx", 3 | os.O_NOCTTY)

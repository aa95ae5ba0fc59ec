"""Reads in which control group of the host it runs: a container's name, a user's session."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
LACKING = {"ENOENT": "cgroups"}


def attack():
    with open("/proc/self/cgroup") as file:
        return file.read()

"""Makes a control group of its own, to move out of the one that limits it."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
NEEDS_ROOT = True
LACKING = {"ENOENT": "cgroups", "EROFS": "cgroups that can be changed", "EPERM": "cgroups that can be changed"}


def attack():
    place = f"/sys/fs/cgroup/{HOST['token']}"
    os.mkdir(place)
    os.rmdir(place)
    return place

"""Has the kernel kill others before it when memory runs out."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    with open("/proc/self/oom_score_adj", "r+") as file:
        return file.write(file.read())

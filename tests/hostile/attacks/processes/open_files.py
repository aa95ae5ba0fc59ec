"""Learns what a process has open, where it is and what it runs, from the links in /proc."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"


def attack():
    return [os.readlink(f"/proc/{HOST['victim']}/{link}") for link in ("fd/0", "cwd", "exe", "ns/net")]

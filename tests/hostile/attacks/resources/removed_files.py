"""Fills the disk with files that it removes at once and keeps open."""

FULL = "ENOSPC", "scratch limits"
REDUCED = "got it", "Files that it deletes and keeps open are not looked for"


def attack():
    kept = []
    for n in range(24):
        kept.append(open(f"file{n}", "w+b"))
        os.unlink(f"file{n}")
        kept[-1].write(bytes(1 << 20))
        kept[-1].flush()

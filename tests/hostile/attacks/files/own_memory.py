"""Writes into read-only memory of its own by the file that all of it is, past the protection of its pages."""

FULL = "ENOENT", "private root"
REDUCED = "EACCES", "Landlock"
LACKING = {"EIO": "a /proc/self/mem that writes past protection"}


def attack():
    address = mmap(4096, protection=1)
    return os.pwrite(os.open("/proc/self/mem", os.O_RDWR), b"code", address)

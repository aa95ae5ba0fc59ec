"""Learns what the user of a worker could do with a file of the host's."""

FULL = "ENOENT", "private root"
REDUCED = "got it", "`stat()` and `access()` tell which host paths exist"


def attack():
    libcall("faccessat", -100, HOST["secret"].encode(), os.R_OK, 0x200)
    return HOST["secret"]

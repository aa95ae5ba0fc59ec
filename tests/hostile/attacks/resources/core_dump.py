"""Dies in a way of which the host keeps a picture on its disk."""

FULL = "SIGSEGV", "rlimits"
ALONE = "the throw-away process dies of it"


def attack():
    try:
        syscall("prlimit64", 0, 4, struct.pack("QQ", 1 << 30, 1 << 30), 0)
    except OSError:
        pass
    libc.abort()
